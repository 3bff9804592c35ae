import OmniwayTransport

/// Opens an acceptor from code of a loop, and gives what it accepts to a function.
final class LinkDoor: LoopTask {
    private let home: EventLoop
    private let loop: Loop
    private let acceptor: any Acceptor
    private let opened: (Result<Listening, ListenError>) -> Void
    private let intake: Intake
    private let name: LoopLocal<Intake>
    private var listening: Listening?
    private var isClosed = false

    fileprivate final class Intake: LinkIntake {
        var take: (Link) -> (any LinkHandler)?
        init(_ take: @escaping (Link) -> (any LinkHandler)?) { self.take = take }
        func accept(_ link: Link) -> (any LinkHandler)? { take(link) }
    }
    /// The acceptor's side: it outlives the door.
    private final class Threshold: LinkIntake {
        private let intake: Intake?
        init(_ intake: Intake?) { self.intake = intake }
        func accept(_ link: Link) -> (any LinkHandler)? { intake?.accept(link) }
    }

    init(
        on loop: Loop, home: EventLoop, _ acceptor: any Acceptor,
        opened: @escaping (Result<Listening, ListenError>) -> Void,
        accept: @escaping (Link) -> (any LinkHandler)?
    ) {
        (self.loop, self.home, self.acceptor, self.opened) = (loop, home, acceptor, opened)
        intake = Intake(accept)
        name = loop.name(intake)
        if loop.start(self) == nil { opened(.failure(.misconfigured("the loop has no room for another task"))) }
    }

    nonisolated(nonsending) func run() async {
        let name = name
        let threshold = await home.own { loop in Threshold(name.on(loop)) }
        do throws(ListenError) {
            let listening = try await acceptor.open(into: [threshold])
            if isClosed { return await listening.stop() }
            self.listening = listening
            opened(.success(listening))
        } catch { if !isClosed { opened(.failure(error)) } }
    }

    /// Accepts no more.
    func close() {
        isClosed = true
        intake.take = { _ in nil }
        name.release(on: loop)
        if let listening = exchange(&listening, with: nil) { loop.start(Stop(listening)) }
    }

    private final class Stop: LoopTask {
        private let listening: Listening
        init(_ listening: Listening) { self.listening = listening }
        nonisolated(nonsending) func run() async { await listening.stop() }
    }
}
