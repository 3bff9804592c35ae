import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// One connection of a client: packets out, packets in, and what the protocol asks in between.
final class ClientConnection: LinkHandler {
    private let session: ClientSession
    private let framing: PacketFraming
    private let handshake: [UInt8]
    private let acknowledgement: [UInt8]
    private let beatPacket: [UInt8]
    private(set) var link: Link?
    private var joining = PomeloJoining()
    private var heartbeat: PomeloHeartbeat?
    private var beat: TimerID?
    private var dictionary = PomeloDictionary()
    /// On a link that keeps messages: what has come of one that is not whole.
    private var held: [UInt8] = []

    init(_ session: ClientSession, saying handshake: Handshake) throws(PomeloError) {
        self.session = session
        framing = session.settings.framing
        self.handshake = try framing.packet(.handshake, handshake.wire.json)
        (acknowledgement, beatPacket) = (try framing.packet(.handshakeAck), try framing.packet(.heartbeat))
    }

    // MARK: The link

    var frameFormat: FrameFormat? { framing.frameFormat }

    func dials(_ link: Link) { self.link = link }

    func opened(_ link: Link) {
        self.link = link
        link.limits = session.settings.queue
        link.write(handshake)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(PomeloError) {
            guard link.traits.keepsMessages else { return try receivePackets(bytes, link) }
            try receiveMessage(bytes, endOfMessage, link)
        } catch {
            link.close(.badPacket.with("\(error)"))
        }
        return bytes.byteCount
    }

    /// As many packets as there are; how many bytes those were.
    private func receivePackets(_ bytes: RawSpan, _ link: Link) throws(PomeloError) -> Int {
        var at = 0
        while link.state == .open, let packet = try framing.packet(in: bytes, at: at) {
            at = packet.end
            try take(packet.kind, bytes.extracting(packet.body), link)
        }
        return link.state == .open ? at : bytes.byteCount
    }

    /// A message holds whole packets, mostly one.
    private func receiveMessage(_ bytes: RawSpan, _ endOfMessage: Bool, _ link: Link) throws(PomeloError) {
        if endOfMessage, held.isEmpty { return try receiveAll(bytes, link) }
        let count = held.count + bytes.byteCount
        guard count <= framing.maxSize else {
            throw .packetTooLarge(bytes: count, limit: framing.maxBodySize)
        }
        held += bytes.array(0..<bytes.byteCount)
        guard endOfMessage else { return }
        let message = exchange(&held, with: [])
        try receiveAll(unsafe message.span.bytes, link)  // Safe because bytes have no padding.
    }

    private func receiveAll(_ message: RawSpan, _ link: Link) throws(PomeloError) {
        if try receivePackets(message, link) < message.byteCount { throw .notOnePacket(bytes: message.byteCount) }
    }

    func writable(_ link: Link) { session.sendWaiting() }

    func closed(_ link: Link, _ reason: CloseReason) {
        joining.close()
        if let beat { link.loop.cancel(beat) }
        session.ended(self, reason)
    }

    /// The server has not let this client in by now.
    func deadlinePassed() {
        guard case .close = joining.deadlinePassed() else { return }
        let limit = session.settings.connectLimit
        link?.close(.handshakeTimeout.with("the server has not answered the handshake within \(limit)"))
    }

    // MARK: Packets in

    private func take(_ kind: PomeloPacket.Kind, _ body: RawSpan, _ link: Link) throws(PomeloError) {
        heartbeat?.heard()
        switch joining.receive(kind) {
        case .readAnswer: try readAnswer(body, link)
        case .deliver: try deliver(body, link)
        case .leave: leave(.kicked, .kicked, link)
        case .close(let error): throw error
        case .acknowledge, .ignore: break
        }
    }

    private func readAnswer(_ body: RawSpan, _ link: Link) throws(PomeloError) {
        let answer = try PomeloHandshakeAnswer(body, limits: .messages, by: link.loop.deflatePool)
        let mine = session.settings.serializer.name
        switch joining.answered(code: answer.code) {
        // Servers of another kin do not say what they write.
        case .acknowledge where answer.serializer.isEmpty || answer.serializer == mine:
            dictionary = answer.dictionary
            link.write(acknowledgement)
            beginHeartbeat(answer.heartbeat, link)
            session.joined(self)
        case .acknowledge: leave(.serializer(server: answer.serializer, client: mine), .done, link)
        case .close(.handshakeRefused(let code)): leave(.refused(code: code), .handshakeRefused, link)
        case .close(let error): throw error
        case .readAnswer, .deliver, .leave, .ignore: break
        }
    }

    /// For good.
    private func leave(_ error: AppClientError, _ reason: CloseReason, _ link: Link) {
        session.end(error)
        link.close(reason.with("\(error)"))
    }

    private func deliver(_ packet: RawSpan, _ link: Link) throws(PomeloError) {
        let message = try PomeloMessage(packet, from: .server)
        let body =
            if message.isCompressed {
                try PomeloCompression.inflated(
                    packet.extracting(message.body), atMost: session.settings.maxInflatedSize,
                    by: link.loop.deflatePool)
            } else { packet.array(message.body) }
        if let route = message.route {
            session.pushes.pushed(try dictionary.text(of: route, in: packet), body)
        } else {
            session.answered(message.id, ClientAnswer(body: body, isError: message.isError))
        }
    }

    // MARK: Packets out

    /// False when the link takes nothing at the moment.
    var hasRoom: Bool { link.map { $0.state == .open && !$0.isFull } ?? false }

    /// As one packet, compressed where that helps.
    func send(_ call: ClientCall) throws(PomeloError) {
        guard let link else { return }
        let route = dictionary.head(for: call.route)
        try framing.write(call.isAnswered ? .request(id: call.id, route) : .notify(route), call.body, to: link)
    }

    // MARK: Heartbeats

    private func beginHeartbeat(_ interval: Duration, _ link: Link) {
        guard interval > .zero else { return }
        heartbeat = PomeloHeartbeat(every: interval, from: .nanoseconds(link.loop.now.nanoseconds))
        beat = link.loop.after(interval, self)
    }
}

extension ClientConnection: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        beat = nil
        guard let link, link.state == .open else { return }
        let now = Duration.nanoseconds(loop.now.nanoseconds)
        switch heartbeat?.step(at: now) {
        case .send(let next)?:
            link.write(beatPacket)
            beat = loop.after(next - now, self)
        case .wait(let until)?: beat = loop.after(until - now, self)
        case .dead?: link.close(.heartbeatTimeout.with("the server was silent for more than two heartbeats"))
        case nil: break
        }
    }
}

extension Handshake {
    fileprivate var wire: PomeloHandshake {
        PomeloHandshake(
            platform: platform, libVersion: libraryVersion, clientBuildNumber: clientBuild,
            clientVersion: clientVersion, user: user)
    }
}
