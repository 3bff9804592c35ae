import OmniwayWire

/// The handler of a carrier until the accepting side knows its stream.
final class SnetAccepting: LinkHandler {
    private enum Wanted {
        case nothing
        /// It has come from another loop, where this was asked.
        case asked(SnetResume)
        case new(SnetStream)
        case old(SnetServerDriver, SnetResume, told: UInt64, generation: Int)
    }

    private let home: SnetHome
    private let loop: Loop
    private var machine: SnetServerHandshake
    private var handshake: Handshake?
    private var wanted = Wanted.nothing

    /// Nil when there is no room for another handshake; the carrier is closed then.
    init?(_ home: SnetHome, _ carrier: Link) {
        (self.home, loop) = (home, home.loop)
        machine = SnetServerHandshake(home.server.settings.dialect)
        guard begin(over: carrier) else { return nil }
    }

    init(_ home: SnetHome, asked request: SnetResume) {
        (self.home, loop) = (home, home.loop)
        machine = SnetServerHandshake(asked: home.server.settings.dialect)
        wanted = .asked(request)
    }

    private func begin(over carrier: Link) -> Bool {
        handshake = Handshake(over: carrier, layer: "snet", home.server.handshakes, for: home.intake)
        return handshake != nil
    }

    func opened(_ carrier: Link) {
        guard case .asked(let request) = wanted, begin(over: carrier) else { return }
        resume(request, on: carrier)
        _ = advance(RawSpan(), carrier)  // In dialect A nothing more is asked.
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int { advance(bytes, carrier) }

    private func advance(_ bytes: RawSpan, _ carrier: Link) -> Int {
        var reader = ByteReader(bytes)
        do throws(SnetError) {
            while carrier.state == .open {
                switch try machine.receive(&reader) {
                case .more: return bytes.byteCount
                case .new(let publicKey): try open(publicKey, on: carrier)
                case .resume(let request):
                    let entry = home.server.streams.find(request.id)
                    if let entry, request.isGenuine(key: entry.key) {
                        if entry.home.door !== home.address.door {
                            move(carrier, to: entry.home, request, bytes, used: reader.offset)
                            return bytes.byteCount
                        }
                    } else if giveBack(carrier, request, bytes, used: reader.offset) {
                        return bytes.byteCount
                    }
                    resume(request, on: carrier)
                case .done:
                    try finish(carrier, rest: bytes.extracting(droppingFirst: reader.offset))
                    return bytes.byteCount
                }
            }
        } catch {
            carrier.close(.handshakeFailed.with(error.description))
        }
        return bytes.byteCount
    }

    // MARK: New streams

    private func open(_ publicKey: UInt64, on carrier: Link) throws(SnetError) {
        let settings = home.server.settings
        let (answer, stream) = try machine.open(
            publicKey, id: home.server.streams.nextID(), privateKey: max(1, loop.random.next()),
            challenge: loop.random.next(), encrypts: settings.encrypts, ring: settings.ring)
        wanted = .new(stream)
        carrier.write(answer)
    }

    // MARK: Old streams

    /// Nothing happens to the stream before the peer has shown that it has the key: in dialect A by its request, in B
    /// by its answer to the challenge.
    private func resume(_ request: SnetResume, on carrier: Link) {
        let refusal = SnetServerHandshake.refusal(home.server.settings.dialect)
        guard let driver = home.driver(request.id), let key = driver.stream?.key else {
            return refuse(refusal, .unknownStream(request.id), carrier)
        }
        guard request.isGenuine(key: key) else { return refuse(refusal, .badProof, carrier) }
        driver.carrier?.drain()
        guard let stream = driver.stream else { return }
        switch machine.answer(request, for: stream, challenge: loop.random.next()) {
        case .accepted(let bytes):
            wanted = .old(driver, request, told: stream.read, generation: driver.generation)
            carrier.write(bytes)
        case .refused(let bytes, let error): refuse(bytes, error, carrier)
        }
    }

    private func refuse(_ bytes: [UInt8], _ error: SnetError, _ carrier: Link) {
        SnetDriver.count(.refused, side: "accepting", on: loop)
        carrier.write(bytes)
        carrier.close(.resumeRefused.with(error.description))
    }

    /// To the loop of the stream. A socket goes there; what is more than a socket stays, and a pipe leads there.
    private func move(
        _ carrier: Link, to address: SnetHomeAddress, _ request: SnetResume, _ bytes: RawSpan, used: Int
    ) {
        handshake?.move(from: loop)
        handshake = nil
        if let detached = try? carrier.detach(taken: used) {
            address.door.post(SnetArrival(detached: detached, request: request))  // Closed if nobody is there any more.
            return
        }
        let limits = carrier.limits
        let door = Intakes.Door(mailbox: address.pipes) { loop, traits in
            guard let home = loop.pipes.intake(address.number) as? SnetHome else { return nil }
            return InProcess.farEnd(on: loop, traits, limits) { _ in SnetAccepting(home, asked: request) }
        }
        let deadline = home.server.handshakes.deadline
        let near = InProcess.pipe(
            on: loop, to: door, carrier.traits, limits, deadline: deadline, handler: loop.nobody)
        guard let near, (try? Relay(carrier, near)) != nil else { return carrier.close(.tooManyLinks) }
        let rest = bytes.extracting(droppingFirst: used)
        if !rest.isEmpty { near.write(rest) }
    }

    /// To the process whose place this one has taken, where the stream may still live. A socket goes there; what is
    /// more than a socket stays, and a pair of sockets leads there. False when there is nobody to give it to.
    private func giveBack(_ carrier: Link, _ request: SnetResume, _ bytes: RawSpan, used: Int) -> Bool {
        let server = home.server
        guard server.name != nil, server.returns.hasPredecessor else { return false }
        let peer = carrier.traits.peer
        handshake?.move(from: loop)
        handshake = nil
        if let detached = try? carrier.detach(taken: used) {
            if let socket = detached.takeSocket() {
                _ = server.returns.give(socket.descriptor, for: server, request, rest: detached.unread, of: peer)
            }
            return true
        }
        var rest: [UInt8] = []
        rest.append(contentsOf: bytes.extracting(droppingFirst: used))
        let gone = CloseReason.resumeRefused.with("the process that has the stream takes no connection")
        guard let pair = try? OwnedDescriptor.pair() else {
            carrier.close(gone)
            return true
        }
        let near = OwnedDescriptor(pair.0)
        let far = OwnedDescriptor(pair.1)
        guard server.returns.give(far, for: server, request, rest: rest, of: peer),
            let link = loop.adopt(near, peer: peer, handler: loop.nobody), (try? Relay(carrier, link)) != nil
        else {
            carrier.close(gone)
            return true
        }
        return true
    }

    // MARK: The end

    private func finish(_ carrier: Link, rest: RawSpan) throws(SnetError) {
        let driver: SnetServerDriver?
        switch exchange(&wanted, with: .nothing) {
        case .nothing, .asked: return
        case .new(let stream): driver = SnetServerDriver.open(stream, over: carrier, at: home)
        case .old(let old, let request, let told, let generation):
            guard old.link != nil, old.generation == generation else {
                return carrier.close(.carrierReplaced.with("another connection was faster"))
            }
            try old.resume(on: carrier, request, told: told)
            driver = old
        }
        guard let driver else { return }
        handshake?.end(.done, on: loop)
        handshake = nil
        driver.deliver(rest)
    }

    func finished(_ carrier: Link) { carrier.close(.handshakeFailed.with("the peer left")) }

    func closed(_ carrier: Link, _ reason: CloseReason) {
        handshake?.end(by: reason, on: loop)
        handshake = nil
        wanted = .nothing
    }
}
