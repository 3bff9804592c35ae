import OmniwayWire

/// The acceptor of streams: the carriers of another one go through handshakes, and meet their streams.
struct SnetAcceptor<Inner: Acceptor>: Acceptor {
    let server: SnetServer
    let inner: Inner

    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        var made: [LoopBound<SnetHome>] = []
        for intake in intakes {
            made.append(await intake.map { loop, intake in SnetHome(server, on: loop, for: intake) })
        }
        let homes = made
        do {
            let listening = try await inner.open(into: homes)
            return Listening(address: listening.address) {
                await listening.stop()
                await Self.stop(homes)
            }
        } catch {
            await Self.stop(homes)
            throw error
        }
    }

    private static func stop(_ homes: [LoopBound<SnetHome>]) async {
        for home in homes {
            await home.run { _, home in home.stop() }
            await home.release()
        }
    }
}

/// One loop's part of a server: the streams that live here, and who is asked for their handlers.
final class SnetHome: LinkIntake {
    let server: SnetServer
    let loop: Loop
    let intake: any LinkIntake
    private var drivers: [UInt64: SnetServerDriver] = [:]
    private var isStopped = false
    private(set) var address: SnetHomeAddress

    init(_ server: SnetServer, on loop: Loop, for intake: any LinkIntake) {
        (self.server, self.loop, self.intake) = (server, loop, intake)
        var home: SnetHome?
        let door = loop.mailbox(of: SnetArrival.self) { home?.arrive($0) }
        address = SnetHomeAddress(door: door, pipes: loop.pipes.mailbox, number: 0)
        home = self
        address = SnetHomeAddress(door: door, pipes: loop.pipes.mailbox, number: loop.pipes.addIntake(self))
    }

    /// A new carrier.
    func accept(_ carrier: Link) -> (any LinkHandler)? { SnetAccepting(self, carrier) }

    private func arrive(_ arrival: SnetArrival) {
        _ = loop.adopt(arrival.detached, handler: SnetAccepting(self, asked: arrival.request))
    }

    func driver(_ id: UInt64) -> SnetServerDriver? { drivers[id] }

    /// False when there are as many streams as there may be.
    func add(_ driver: SnetServerDriver, _ stream: SnetStream) -> Bool {
        guard server.streams.insert(stream.id, .init(key: stream.key, home: address)) else { return false }
        drivers[stream.id] = driver
        return true
    }

    func remove(_ id: UInt64) {
        guard drivers.removeValue(forKey: id) != nil else { return }
        server.streams.remove(id)
        retireIfDone()
    }

    /// No more carriers come from here. The streams stay, and other acceptors of the server may resume them.
    func stop() {
        isStopped = true
        retireIfDone()
    }

    private func retireIfDone() {
        guard isStopped, drivers.isEmpty else { return }
        loop.remove(address.door)
        loop.pipes.removeIntake(address.number)
    }
}

/// A stream on the side that accepts: without a carrier it waits.
final class SnetServerDriver: SnetDriver {
    private let home: SnetHome
    /// How many carriers it has had: a resume that was begun before another was done is void.
    private(set) var generation = 0
    private var isCountedAsWaiting = false

    private init(_ home: SnetHome, _ stream: SnetStream) {
        self.home = home
        super.init(home.server.settings, on: home.loop)
        self.stream = stream
    }

    /// A new stream over its first carrier, if there is room for it and somebody wants it.
    static func open(_ stream: SnetStream, over carrier: Link, at home: SnetHome) -> SnetServerDriver? {
        let driver = SnetServerDriver(home, stream)
        guard home.add(driver, stream) else {
            carrier.close(.tooManyLinks.with("there are as many streams as there may be"))
            return nil
        }
        driver.countStreams(1)
        let traits = traits(over: carrier.traits)
        driver.link = Link.over(carrier, traits: traits, driver: driver, handler: home.loop.nobody)
        guard let link = driver.link else {
            driver.ended()
            return nil
        }
        guard let handler = home.intake.accept(link) else {
            link.close(.refused)
            carrier.close(.refused)
            return nil
        }
        link.handler = handler
        driver.attach(carrier)
        return driver
    }

    /// The peer has shown that it has the key now.
    func resume(on carrier: Link, _ request: SnetResume, told: UInt64) throws(SnetError) {
        generation += 1
        try resume(on: carrier, peerWritten: request.written, peerRead: request.read, told: told)
    }

    override func carrierLost() {
        isCountedAsWaiting = home.server.streams.beginWaiting()
        if !isCountedAsWaiting { end(.notResumed.with("as many streams wait as may; this one lost \(loss)")) }
    }

    override func carrierCame() {
        if isCountedAsWaiting { home.server.streams.endWaiting() }
        isCountedAsWaiting = false
    }

    override func ended() {
        carrierCame()
        guard let stream, home.driver(stream.id) === self else { return }
        home.remove(stream.id)
        countStreams(-1)
    }
}
