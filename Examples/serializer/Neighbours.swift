import OmniwayMain

/// An acceptor of one's own: it takes the links of another one, and lets in those who come from where they may.
struct Neighbours<Inner: Acceptor>: Acceptor {
    let inner: Inner
    let isWelcome: @Sendable (SocketAddress) -> Bool

    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        var doors: [LoopBound<Door>] = []
        // What a loop owns is made on that loop.
        for intake in intakes { doors.append(await intake.map { _, intake in Door(intake, isWelcome) }) }
        let listening = try await inner.open(into: doors)
        let opened = doors
        return Listening(address: listening.address) {
            await listening.stop()
            for door in opened { await door.release() }
        }
    }

    private final class Door: LinkIntake {
        private let intake: any LinkIntake
        private let isWelcome: (SocketAddress) -> Bool
        init(_ intake: any LinkIntake, _ isWelcome: @escaping (SocketAddress) -> Bool) {
            (self.intake, self.isWelcome) = (intake, isWelcome)
        }
        func accept(_ link: Link) -> (any LinkHandler)? { isWelcome(link.traits.peer) ? intake.accept(link) : nil }
    }
}
