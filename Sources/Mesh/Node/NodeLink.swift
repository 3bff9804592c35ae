import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// One link between two nodes. It begins as the original's protocol does, so that a peer of the original is understood;
/// two nodes find each other out by their greetings, prove who they are, and then speak in sealed frames.
final class NodeLink: LinkHandler {
    private enum Phase { case greeting, handshake, open, leaving }

    let number: UInt64
    /// The address that was dialled; nil for a link that was accepted.
    let dialled: String?
    /// Whom the other side must be.
    let expected: NodeID?
    /// Who it is, when it has proved it.
    private(set) var node: NodeID?
    /// When something was said that is more than keeping the link.
    private(set) var usedAt: Duration
    private let host: NodeHost
    private var joining: Promise<NodeID?>?
    private var link: Link?
    private var phase = Phase.greeting
    private var reader: PheromoneReader
    private var greeting: [UInt8] = []
    private var secure: SecureLink?
    private var meter: LinkMeter
    private var deadline: TimerID?
    private var isCongested = false

    private enum Wait: UInt64 { case handshake, pause, leaving }
    private static let leaveLimit = Duration.seconds(2)

    init(
        _ number: UInt64, of host: NodeHost, dialling address: String? = nil, expecting expected: NodeID? = nil,
        _ joining: Promise<NodeID?>? = nil
    ) {
        (self.number, self.host, self.joining, self.expected) = (number, host, joining, expected)
        (dialled, usedAt) = (address, host.now)
        reader = PheromoneReader(maxMessageSize: PheromoneMessage.largest, maxGarbage: (0, 0))
        meter = LinkMeter(frames: host.settings.maxFrames, bytes: host.settings.maxBytes, at: host.now)
    }

    var isOurs: Bool { dialled != nil }
    var isOpen: Bool { phase == .open }
    var queued: Int { link?.queued ?? 0 }
    /// It was dialled without knowing who is there.
    var isSeed: Bool { isOurs && expected == nil }

    /// The link, before it is open.
    func meet(_ link: Link) {
        self.link = link
        link.limits.unread = max(link.limits.unread, 1 << 17)
        link.limits.most = host.settings.maxQueued
        deadline = host.loop.after(host.settings.handshakeLimit, self, token: Wait.handshake.rawValue)
    }

    // MARK: Its life

    func opened(_ link: Link) {
        guard isOurs else { return }
        let contact = host.contact
        greeting = offer(.greeting(from: contact.name, PheromoneGreeting(address: contact.address, account: 0)))
        link.write(greeting)
    }

    private func offer(_ message: PheromoneMessage) -> [UInt8] {
        let nonce = (0..<16).map { _ in UInt8.random(in: 0...255, using: &host.loop.random) }
        return message.bytes(offering: MeshUpgrade(id: host.id, nonce: nonce))
    }

    func finished(_ link: Link) { link.close(.finished) }

    func writable(_ link: Link) {
        guard isCongested, let node else { return }
        isCongested = false
        host.congested(node, false)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        if let deadline { host.loop.cancel(deadline) }
        deadline = nil
        self.link = nil
        if phase == .handshake { host.counters.failedHandshakes.add(1) }
        joining?.fulfil(.failure(.unreachable("\(dialled ?? ""): \(reason)")))
        joining = nil
        phase = .leaving
        host.closed(self)
    }

    /// The other side is told why.
    func close(_ why: MeshClosing) {
        if phase == .open { write(.close(why, "")) }
        if phase != .leaving { phase = .leaving }
        link?.close(.done.with("\(why)"))
    }

    /// Another link has taken over. What is under way on this one still arrives: it ends when both sides have finished.
    func leave() {
        guard phase == .open else { return }
        if isOurs { finish() } else { wait(.leaving, Self.leaveLimit) }
    }

    private func finish() {
        write(.close(.duplicate, ""))
        link?.finish()
        wait(.leaving, Self.leaveLimit)
    }

    private func wait(_ wait: Wait, _ time: Duration) {
        if let deadline { host.loop.cancel(deadline) }
        deadline = host.loop.after(time, self, token: wait.rawValue)
    }

    // MARK: Receiving

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var used = 0
        if phase == .greeting {
            do throws(PheromoneReader.Violation) {
                guard let range = try reader.next(in: bytes, at: &used) else { return used }
                guard greeted(bytes.array(range), link) else {
                    return link.state == .open ? range.lowerBound : bytes.byteCount
                }
            } catch {
                link.close(.notMesh.with("\(error)"))
                return bytes.byteCount
            }
        }
        guard phase != .greeting, used < bytes.byteCount else { return used }
        return used + receiveSealed(bytes.extracting(used..<bytes.byteCount), link)
    }

    /// Whether the other side is a node. A peer of the original is left to who speaks its protocol.
    private func greeted(_ message: [UInt8], _ link: Link) -> Bool {
        let said = try? PheromoneMessage(message)
        guard let upgrade = MeshUpgrade(in: message),
            said?.operation == (isOurs ? .connectResponse : .connectRequest)
        else {
            fallBack(link, said)
            return false
        }
        if let expected, upgrade.id != expected {
            link.close(.notMesh.with("another node is there: \(upgrade.id)"))
            return true
        }
        var greetings = (initiator: greeting, responder: message)
        if !isOurs {
            let answer = offer(PheromoneMessage(name: host.contact.name, operation: .connectResponse))
            link.write(answer)
            greetings = (initiator: message, responder: answer)
        }
        let terms = SecureLink.Terms(
            host.settings.identity, isInitiator: isOurs, greetings: greetings, groupSecret: host.settings.groupSecret,
            expected: upgrade.id)
        var secure = SecureLink(terms, at: host.now)
        phase = .handshake
        do throws(SecureLink.Failure) {
            let first = try secure.begin()
            if !first.isEmpty { link.write(first) }
            self.secure = secure
        } catch { link.close(.notMesh.with("\(error)")) }
        return true
    }

    private func fallBack(_ link: Link, _ said: PheromoneMessage?) {
        guard let peer = host.fallback else {
            return link.close(.notMesh.with("a peer of the first version, which is not spoken here"))
        }
        if let deadline { host.loop.cancel(deadline) }
        deadline = nil
        phase = .leaving
        self.link = nil
        peer.takeOver(link, dialled: dialled.map { MeshRoute(name: said?.name ?? "", address: $0) })
        joining?.fulfil(.success(nil))
        joining = nil
        host.gaveAway(self)
    }

    private func receiveSealed(_ bytes: RawSpan, _ link: Link) -> Int {
        guard let received = opened(bytes, link) else { return bytes.byteCount }
        if !received.answer.isEmpty { link.write(received.answer) }
        if phase == .handshake, secure?.isOpen == true, let peer = secure?.peer { isProved(peer) }
        for frame in received.frames where link.state == .open { take(frame, link) }
        if let pause = meter.pause(at: host.now), link.state == .open, phase == .open {
            link.pauseReading()
            host.loop.after(pause, self, token: Wait.pause.rawValue)
        }
        return received.used
    }

    /// Nil when it makes no sense: the link is closed then.
    private func opened(_ bytes: RawSpan, _ link: Link) -> SecureLink.Received? {
        do throws(SecureLink.Failure) { return try secure?.receive(bytes, at: host.now) } catch {
            link.close(.notMesh.with("\(error)"))
            return nil
        }
    }

    private func isProved(_ peer: NodeID) {
        if let deadline { host.loop.cancel(deadline) }
        deadline = nil
        (phase, node) = (.open, peer)
        joining?.fulfil(.success(peer))
        joining = nil
        host.opened(self, with: peer)
    }

    private func take(_ frame: MeshFrame, _ link: Link) {
        guard let node else { return }
        meter.count(bytes: frame.body.count + 5)
        host.counters.received.add(1)
        do throws(MeshFrameError) {
            guard let (message, contacts) = try MeshCodec.read(frame) else { return }
            switch message {
            case .ping, .pong: break
            case .close(let why, _):
                host.isLeft(self)
                if why == .duplicate { link.finish() } else { link.close(.done.with("\(why)")) }
                return
            default: usedAt = host.now
            }
            host.received(message, contacts, from: node)
        } catch {
            link.close(.notMesh.with("\(error)"))
        }
    }

    // MARK: Sending

    func send(_ message: MeshMessage) {
        guard phase == .open else { return }
        switch message {
        case .ping, .pong: break
        default: usedAt = host.now
        }
        write(message)
        guard let link, link.isFull, !isCongested, let node else { return }
        isCongested = true
        host.congested(node, true)
    }

    private func write(_ message: MeshMessage) {
        guard let bytes = secure?.send(host.frame(message), at: host.now) else { return }
        link?.write(bytes)
        host.counters.sent.add(1)
    }
}

extension NodeLink: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        switch Wait(rawValue: token) {
        case .handshake:
            deadline = nil
            link?.close(.messageTimeout.with("it has not proved who it is for \(host.settings.handshakeLimit)"))
        case .leaving:
            deadline = nil
            link?.close(.done.with("duplicate"))
        case .pause: link?.resumeReading()
        case nil: break
        }
    }
}
