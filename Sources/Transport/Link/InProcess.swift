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
        shared.set(
            intakes.map { intake in
                Intakes.Door(mailbox: intake.home.pipes) { loop, traits in
                    let bound = unsafe unsafeDowncast(loop.bound(intake.slot), to: Intake.self)
                    return Self.farEnd(on: loop, traits, queue, bound)
                }
            })
        return Listening(address: .none) { shared.set([]) }
    }

    /// The links of one dialling loop go to the accepting loops in turn.
    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = PipeDriver(loop.pipes)
        guard let link = Link(on: loop, traits: traits, limits: queue, driver: driver, handler: handler) else {
            return nil
        }
        loop.pipes.add(driver, for: link)
        guard let door = intakes.next() else {
            link.close(.refused.with("nobody accepts"))
            return link
        }
        loop.after(deadline, DialDeadline(link))
        let near = PipeEnd(mailbox: loop.pipes.mailbox, link: link.id)
        if !door.mailbox.post(.dial(from: near, traits: traits, accept: door.accept)) { link.close(.tooManyLinks) }
        return link
    }

    private static func farEnd(
        on loop: Loop, _ traits: LinkTraits, _ queue: QueueLimits, _ intake: any LinkIntake
    ) -> Link? {
        let driver = PipeDriver(loop.pipes)
        guard let link = Link(on: loop, traits: traits, limits: queue, driver: driver, handler: loop.nobody) else {
            return nil
        }
        guard let handler = intake.accept(link) else {
            link.close(.refused)
            return nil
        }
        link.handler = handler
        loop.pipes.add(driver, for: link)
        return link
    }
}

/// Closes a link that is still connecting when the time is over.
final class DialDeadline: TimerTarget {
    private let id: LinkID  // Not the link: a closed one must not stay until its deadline.
    init(_ link: Link) { id = link.id }
    func timerFired(_ token: UInt64, on loop: Loop) {
        if let link = loop.link(id), link.state == .connecting {
            link.close(.connectTimeout.with("nobody answered in time"))
        }
    }
}
