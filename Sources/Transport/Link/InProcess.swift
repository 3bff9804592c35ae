/// A transport within the process: links between loops, or on one loop. It accepts and dials like any other,
/// so faces can be composed, and tested, without a network.
public final class InProcess: Acceptor, Dialer {
    private let traits: LinkTraits
    private let queue: QueueLimits
    private let intakes = Intakes()

    public init(traits: LinkTraits = .stream, queue: QueueLimits = QueueLimits()) {
        (self.traits, self.queue) = (traits, queue)
    }

    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        if intakes.isEmpty { throw .noLoops }
        let (queue, shared) = (queue, self.intakes)
        var doors: [Intakes.Door] = []
        var numbers: [(intake: LoopBound<Intake>, number: Int)] = []
        for intake in intakes {
            let number = await intake.run { loop, intake in loop.pipes.addIntake(intake) }
            numbers.append((intake, number))
            let door = Intakes.Door(mailbox: intake.home.pipes) { loop, traits in
                loop.pipes.intake(number).flatMap { Self.farEnd(on: loop, traits, queue, $0.accept) }
            }
            doors.append(door)
        }
        shared.set(doors)
        let opened = numbers
        return Listening(address: .none) {
            shared.set([])
            for (intake, number) in opened { await intake.run { loop, _ in loop.pipes.removeIntake(number) } }
        }
    }

    /// The links of one dialling loop go to the accepting loops in turn.
    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        Self.pipe(on: loop, to: intakes.next(), traits, queue, deadline: deadline, handler: handler)
    }

    /// A pipe with both ends on this loop: the near one, whose far end `accept` is given in the next turn. Nil when the
    /// loop has no room.
    public static func within(
        _ loop: Loop, handler: any LinkHandler, accept: @escaping (Link) -> (any LinkHandler)?
    ) -> Link? {
        let number = loop.pipes.addIntake(OneLink(accept))
        let door = Intakes.Door(mailbox: loop.pipes.mailbox) { loop, traits in
            defer { loop.pipes.removeIntake(number) }
            return loop.pipes.intake(number).flatMap { farEnd(on: loop, traits, QueueLimits(), $0.accept) }
        }
        let link = pipe(on: loop, to: door, .stream, QueueLimits(), deadline: .zero, handler: handler)
        if link == nil { loop.pipes.removeIntake(number) }
        return link
    }

    private final class OneLink: LinkIntake {
        private let take: (Link) -> (any LinkHandler)?
        init(_ take: @escaping (Link) -> (any LinkHandler)?) { self.take = take }
        func accept(_ link: Link) -> (any LinkHandler)? { take(link) }
    }

    /// The near end of a pipe to whoever is behind the door.
    static func pipe(
        on loop: Loop, to door: Intakes.Door?, _ traits: LinkTraits, _ queue: QueueLimits, deadline: Duration,
        handler: any LinkHandler
    ) -> Link? {
        let driver = PipeDriver(loop.pipes)
        guard let link = Link(on: loop, traits: traits, limits: queue, driver: driver, handler: handler) else {
            return nil
        }
        loop.pipes.add(driver, for: link)
        guard let door else {
            link.close(.refused.with("nobody accepts"))
            return link
        }
        link.connect(within: deadline)
        let near = PipeEnd(mailbox: loop.pipes.mailbox, link: link.id)
        if !door.mailbox.post(.dial(from: near, traits: traits, accept: door.accept)) { link.close(.tooManyLinks) }
        return link
    }

    static func farEnd(
        on loop: Loop, _ traits: LinkTraits, _ queue: QueueLimits, _ accept: (Link) -> (any LinkHandler)?
    ) -> Link? {
        let driver = PipeDriver(loop.pipes)
        guard let link = Link(on: loop, traits: traits, limits: queue, driver: driver, handler: loop.nobody) else {
            return nil
        }
        loop.pipes.add(driver, for: link)
        guard let handler = accept(link) else {
            link.close(.refused)
            return nil
        }
        link.handler = handler
        return link.state == .closed ? nil : link
    }
}
