import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// One connection over which a peer answers: a short one that was accepted, or a kept one, whoever has dialled it.
final class PeerConnection: LinkHandler {
    let number: UInt64
    private let node: PeerNode
    private(set) var link: Link?
    private var reader: PheromoneReader
    private var conversation: PheromoneConversation
    /// The message before: the original repeats itself when it has no answer in time.
    private var last: [UInt8] = []
    /// Whoever dials must greet, and does so once.
    private var owesGreeting: Bool
    /// Whoever waits until it is connected.
    private var connecting: Promise<Void>?
    /// A short connection answers what comes at once, and then no more.
    private var isDone = false
    /// When the other side has said something for the last time.
    private(set) var heardAt: Moment?
    private var timers: [Wait: TimerID] = [:]

    private enum Wait: UInt64 { case firstMessage, restOfMessage, greeting, turn }

    init(_ number: UInt64, of node: PeerNode, dialledFor connecting: Promise<Void>? = nil) {
        (self.number, self.node, self.connecting) = (number, node, connecting)
        owesGreeting = connecting != nil
        reader = PheromoneReader(
            maxMessageSize: node.settings.maxMessageSize,
            // Who has one chance to be understood does not begin with garbage.
            maxGarbage: node.kind == .short ? (0, 0) : (15, 64 << 10))
        conversation = PheromoneConversation(
            patience: node.kind == .short ? .zero : node.settings.timeout, mostWaiting: node.settings.maxWaiting)
    }

    /// The link, before it is open.
    func meet(_ link: Link) {
        self.link = link
        link.limits.unread = node.settings.maxMessageSize + 1
    }

    private var now: Duration { .nanoseconds(node.loop.now.nanoseconds) }

    func isBusy() -> Bool { conversation.isBusy(at: now) }

    // MARK: Its life

    var frameFormat: FrameFormat? { .mesh }

    func opened(_ link: Link) {
        connecting?.fulfil(.success(()))
        connecting = nil
        if owesGreeting {
            // Half of what a listener of the original waits for, so that the application may greet by itself.
            wait(.greeting, node.settings.timeout / 2)
            pump()
        } else {
            wait(.firstMessage, node.settings.firstMessageLimit)
        }
    }

    func finished(_ link: Link) { link.close(.finished) }

    func closed(_ link: Link, _ reason: CloseReason) {
        connecting?.fulfil(.failure(.unreachable("\(reason)")))
        connecting = nil
        for wait in [Wait.firstMessage, .restOfMessage, .greeting, .turn] { stop(wait) }
        let owesSession = node.kind == .long && conversation.owesSession(at: now)
        self.link = nil
        node.ended(self, owesSession: owesSession)
    }

    // MARK: Messages in

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if isDone { return bytes.byteCount }
        let garbage = reader.garbage.bytes
        defer { node.counters.garbage.add(UInt64(reader.garbage.bytes - garbage)) }
        var start = 0
        var isAnswered = false
        do throws(PheromoneReader.Violation) {
            while link.state == .open, let range = try reader.next(in: bytes, at: &start) {
                take(bytes.array(range))
                isAnswered = true
            }
        } catch {
            node.counters.refused("\(error)")
            link.close(.notMesh.with("\(error)"))
            return bytes.byteCount
        }
        if isAnswered { stop(.firstMessage) }
        if !reader.isWithinMessage || isAnswered { stop(.restOfMessage) }
        if reader.isWithinMessage { wait(.restOfMessage, node.settings.messageLimit) }
        pump()
        if isAnswered, node.kind == .short { finish(link) }
        return start
    }

    private func take(_ bytes: [UInt8]) {
        heardAt = node.loop.now
        node.counters.received.add(1)
        if node.kind == .short {
            guard bytes != last else { return }
            last = bytes
        }
        do {
            let message = try PheromoneMessage(bytes)
            conversation.received(message.operation, at: now)
            guard let answer = try node.handle(message, from: self) else { return }
            if try !conversation.answer(message.operation, with: answer) { node.counters.refused("unknown operation") }
        } catch {
            let number = (error as? MeshError)?.number
            node.counters.refused(number.map(String.init) ?? "handler")
            Log.shared.debug("mesh message not answered", ["why": "\(error)", "link": "\(link?.id ?? .none)"])
        }
    }

    /// The original reads one answer and closes. What it repeats meanwhile is of no interest.
    private func finish(_ link: Link) {
        isDone = true
        link.idleLimit = node.settings.timeout * 3
        link.finish()
    }

    // MARK: Messages out

    /// On a kept connection.
    func dispatch(_ message: PheromoneMessage) throws(MeshError) {
        if owesGreeting {
            if message.operation != .connectRequest { try conversation.dispatch(node.greeting) }
            owesGreeting = false
            stop(.greeting)
        }
        try conversation.dispatch(message)
        pump()
    }

    private func pump() {
        guard let link, link.state == .open else { return }
        while let bytes = conversation.next(at: now) {
            link.write(bytes)
            node.counters.sent.add(1)
        }
        stop(.turn)
        if let deadline = conversation.deadline { wait(.turn, deadline - now) }
    }

    // MARK: Time

    private func wait(_ wait: Wait, _ time: Duration) {
        if timers[wait] == nil { timers[wait] = node.loop.after(time, self, token: wait.rawValue) }
    }

    private func stop(_ wait: Wait) {
        if let timer = timers.removeValue(forKey: wait) { node.loop.cancel(timer) }
    }
}

extension PeerConnection: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let wait = Wait(rawValue: token) else { return }
        timers[wait] = nil
        switch wait {
        case .firstMessage: link?.close(.messageTimeout.with("nothing came for \(node.settings.firstMessageLimit)"))
        case .restOfMessage: link?.close(.messageTimeout.with("a message was not whole in time"))
        case .greeting: greet()
        case .turn: pump()
        }
    }

    private func greet() {
        do throws(MeshError) {
            try dispatch(node.greeting)
        } catch { link?.close(.notMesh.with("the greeting cannot be sent: \(error)")) }
    }
}
