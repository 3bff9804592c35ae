public import OmniwayTransport
public import OmniwayWire
import OmniwayTelemetry

/// An endpoint on its loop: the physical link to a gateway, and the virtual links on it. `GatewayEndpoint` is its name
/// for everybody else.
///
/// Virtual links keep messages. They cannot make each other wait, so pausing one only buffers, up to a limit.
public final class EndpointSession {
    public let loop: Loop
    public let configuration: EndpointConfiguration
    /// Who takes the connections that others dial; nil refuses them. Set it before `start`, or they may come first.
    public var intake: (any LinkIntake)?
    public private(set) var lastLoss: CloseReason?

    /// Nil while there is no gateway.
    private(set) var carrier: Link?
    private let dialer: (any Dialer)?
    private var state = State.idle
    private var reader: EndpointReader
    var dialogue: EndpointDialogue
    private var keepAlive: EndpointKeepAlive
    private var failures = 0
    /// The gateway has said something since it was connected, so it has accepted the login.
    private var isProven = false
    private var hasAskedForProof = false
    private var isRetiring = false
    private var ready: [Promise<Void>] = []
    private var timers: [Timer: TimerID] = [:]

    /// All virtual links, by tag.
    var drivers: [VirtualDriver?] = []
    var freeTags: [Int] = []
    /// Those that were dialled while there was no gateway.
    var waiting: [Int] = []
    /// Those that wait for room in the physical link.
    var stalled: [LinkID] = []
    let nobody = Nobody()

    private(set) var name: LoopLocal<EndpointSession>?
    private(set) var mailbox: Mailbox<EndpointWork>?

    private enum State { case idle, connecting, login, open, pausing, ended }
    enum Timer: UInt64 { case login = 1, ping, reconnect, wake }

    /// Connects when it is started, and again whenever the gateway is lost.
    public convenience init(
        _ configuration: EndpointConfiguration, over dialer: some Dialer, on loop: Loop
    ) throws(EndpointError) {
        try self.init(configuration, dialer, loop)
    }

    /// Over a stream link that is there already, such as one that began as HTTP. It lives as long as the link.
    public convenience init(_ configuration: EndpointConfiguration, over link: Link) throws(EndpointError) {
        try self.init(configuration, nil, link.loop)
        guard link.state != .closed else { throw .closed(.gatewayLost.with("the link has ended already")) }
        state = .connecting
        link.handler = self
        if link.state == .open { opened(link) }
    }

    private init(
        _ configuration: EndpointConfiguration, _ dialer: (any Dialer)?, _ loop: Loop
    ) throws(EndpointError) {
        try configuration.check()
        (self.configuration, self.dialer, self.loop) = (configuration, dialer, loop)
        reader = EndpointReader(
            configuration.codec, patience: configuration.bufferSize, hasLogin: configuration.serverID != nil)
        dialogue = EndpointDialogue(
            configuration.dialect, mostDials: configuration.mostDials, mostConnections: configuration.mostConnections)
        keepAlive = EndpointKeepAlive(interval: .zero, timeout: nil, from: .zero)
        name = loop.name(self)
        mailbox = loop.mailbox { [weak self] work in if let self { work(self) } }
    }

    /// The name under which this is known elsewhere. Nil once it has ended.
    public var endpoint: GatewayEndpoint? {
        guard let name, let mailbox else { return nil }
        return GatewayEndpoint(name, mailbox, configuration)
    }

    public var isOpen: Bool { state == .open }
    public var hasEnded: Bool { state == .ended }

    // MARK: The physical link

    /// Connects, unless it has begun to.
    public func start() { if state == .idle { connect() } }

    private func connect() {
        guard let dialer else { return }
        state = .connecting
        if dialer.dial(on: loop, deadline: configuration.authTimeout, handler: self) == nil {
            lost(.tooManyLinks.with("the loop has no room for the physical link"))
        }
    }

    private func begin(over link: Link) {
        carrier = link
        reader = EndpointReader(
            configuration.codec, patience: configuration.bufferSize, hasLogin: configuration.serverID != nil)
        link.limits = configuration.queue(unread: max(reader.mostUnread, 1 << 10))
        (isProven, hasAskedForProof) = (false, false)
        if configuration.serverID == nil { return isConnected() }
        state = .login
        set(.login, after: configuration.authTimeout)
    }

    private func logIn(_ challenge: [UInt8]) {
        guard state == .login, let id = configuration.serverID else { return }
        carrier?.write(GatewayLogin.answer(to: challenge, key: Array(configuration.authKey.revealed.utf8), as: id))
        isConnected()
    }

    private func isConnected() {
        cancel(.login)
        state = .open
        let interval = configuration.dialect == .v2 ? configuration.pingInterval : .zero
        keepAlive = EndpointKeepAlive(interval: interval, timeout: configuration.pingTimeout, from: time)
        stayAlive()
        if !ready.isEmpty { askForProof() }
        for tag in exchange(&waiting, with: []) { if let driver = drivers[tag] { ask(for: driver) } }
    }

    private func proven() {
        (isProven, failures) = (true, 0)
        for promise in exchange(&ready, with: []) { promise.fulfil(.success(())) }
    }

    /// A login that was right is not answered, so something else must be.
    private func askForProof() {
        guard state == .open, !hasAskedForProof else { return }
        hasAskedForProof = true
        switch configuration.dialect {
        case .v2: say(.ping)
        case .v1:
            if let question = dialogue.dial(0, for: -1) { say(question) }
            dialogue.giveUp(-1)
        }
    }

    func whenReady(_ promise: Promise<Void>) {
        if hasEnded { return promise.fulfil(.failure(.closed(lastLoss ?? .done))) }
        if isProven { return promise.fulfil(.success(())) }
        ready.removeAll(where: \.isFulfilled)  // Those who have waited long enough.
        ready.append(promise)
        start()
        askForProof()
    }

    private func lost(_ reason: CloseReason) {
        carrier = nil
        for timer in [Timer.login, .ping, .wake] { cancel(timer) }
        stalled = []
        let wasLoggedIn = state == .open && configuration.serverID != nil && !isProven
        let words = wasLoggedIn ? "\(reason), right after the login; is the key right?" : "\(reason)"
        let loss = CloseReason.gatewayLost.with(words)
        lastLoss = loss
        // Those who are told may dial again at once, and then wait like others.
        let open = dialogue.endAll()
        if state != .ended {
            if dialer != nil, reason != .shutdown, let reconnect = configuration.reconnect {
                pause(reconnect, reason)
            } else {
                end(loss)
            }
        }
        for tag in open { driver(tag)?.end(loss) }
    }

    private func pause(_ reconnect: Reconnecting, _ reason: CloseReason) {
        state = .pausing
        let pause = reconnect.pause(after: failures, chance: loop.random.next())
        failures += 1
        Log.shared.warning("gateway lost", ["reason": "\(reason)", "again": "\(pause)"])
        set(.reconnect, after: pause)
    }

    /// Takes no more connections, and closes when the last one has ended.
    public func retire() {
        intake = nil
        isRetiring = true
        closeIfRetired()
    }

    func closeIfRetired() { if isRetiring, freeTags.count == drivers.count { close() } }

    /// Ends the endpoint and all its links. What was written still goes out.
    public func close(_ reason: CloseReason = .done) {
        guard !hasEnded else { return }
        for driver in drivers.compactMap(\.self) { driver.link?.close(reason) }
        let carrier = carrier
        end(reason)
        carrier?.close(reason)
    }

    private func end(_ reason: CloseReason) {
        state = .ended
        for timer in [Timer.login, .ping, .wake, .reconnect] { cancel(timer) }
        for tag in exchange(&waiting, with: []) { driver(tag)?.end(reason) }
        for promise in exchange(&ready, with: []) { promise.fulfil(.failure(.closed(reason))) }
        intake = nil
        name?.release(on: loop)
        if let mailbox { loop.remove(mailbox) }
        (name, mailbox) = (nil, nil)
    }

    func say(_ command: GatewayCommand) {
        let bytes = configuration.codec.bytes(of: command)
        carrier?.write(bytes.span)
    }

    // MARK: Time

    private var time: Duration { .nanoseconds(loop.now.nanoseconds) }

    private func stayAlive() {
        cancel(.ping)
        while let carrier, carrier.state == .open {
            switch keepAlive.step(at: time) {
            case .ping: say(.ping)
            case .wait(let until): return set(.ping, after: until - time)
            case .rest: return
            case .overdue:
                if configuration.resume(carrier) || configuration.timeoutCallback() == .keep {
                    keepAlive.goOn(at: time)
                } else {
                    carrier.close(.peerLost.with("a ping was not answered"))
                }
            }
        }
    }

    func set(_ timer: Timer, after delay: Duration) {
        cancel(timer)
        timers[timer] = loop.after(delay, self, token: timer.rawValue)
    }

    func cancel(_ timer: Timer) { if let id = timers.removeValue(forKey: timer) { loop.cancel(id) } }
}

/// What others have a session do, on its loop.
typealias EndpointWork = @Sendable (EndpointSession) -> Void

extension EndpointSession: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        guard let timer = Timer(rawValue: token) else { return }
        timers[timer] = nil
        switch timer {
        case .login: carrier?.close(.handshakeTimeout.with("the gateway has not asked for the key"))
        case .ping: stayAlive()
        case .reconnect: if state == .pausing { connect() }
        case .wake: wakeStalled()
        }
    }
}

extension EndpointSession: LinkHandler {
    public var frameFormat: FrameFormat? { configuration.dialect.frameFormat }

    public func opened(_ link: Link) {
        precondition(!link.traits.keepsMessages, "a gateway is reached by a stream, and this link keeps messages")
        if hasEnded { link.close(.done) } else { begin(over: link) }
    }

    public func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard link === carrier else { return bytes.byteCount }
        var used = 0
        do throws(GatewayError) {
            while link.state == .open, let event = try reader.next(in: bytes, from: &used) { take(event, bytes) }
        } catch {
            link.close(.protocolError.with(error.description))
        }
        return link.state == .open ? used : bytes.byteCount
    }

    @inline(__always)
    private func take(_ event: EndpointReader.Event, _ bytes: RawSpan) {
        switch event {
        case .piece(let id, let range, let endsMessage):
            if let tag = dialogue.tag(of: id) {
                drivers[tag]?.deliver(bytes.extracting(range), endsMessage: endsMessage)
            } else if endsMessage {
                say(.close(id))  // As the originals do. The sender has not heard yet that this end is closed.
            }
        case .challenge(let range): logIn(unsafe bytes.extracting(range).withUnsafeBytes { unsafe Array($0) })
        case .command(let command):
            if !isProven { proven() }
            perform(dialogue.receive(command), command)
        }
    }

    private func perform(_ action: EndpointDialogue.Action, _ command: GatewayCommand) {
        switch action {
        case .open(let tag, let id): opened(tag, as: id)
        case .refuse(let tag): refused(tag)
        case .accept(let id, let remote): accept(id, from: remote)
        case .end(let tag, let answer):
            if let answer { say(answer) }
            driver(tag)?.peerClosed()
        case .send(let answer): say(answer)
        case .answered:
            keepAlive.answered()
            stayAlive()
        case .ignore: break
        case .rejectGateway: carrier?.close(.protocolError.with("no gateway sends \(command) here"))
        }
    }

    public func writable(_ link: Link) { wakeStalled() }

    public func closed(_ link: Link, _ reason: CloseReason) {
        guard link === carrier || state == .connecting else { return }
        lost(reason)
    }
}
