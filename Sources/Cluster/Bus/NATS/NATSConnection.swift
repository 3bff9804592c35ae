import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// One connection to one server: from the dialling through the greeting, TLS and login until its end.
final class NATSConnection: LinkHandler {
    let server: NATSServer
    private(set) var info = NATSServerInfo()
    private(set) var link: Link?
    private let driver: NATSDriver
    private let tls: TLSClient?
    private var state = State.connecting
    private var codec = NATSCodec(maxPayload: 1 << 20)
    private var writer = NATSWriter()
    /// What the pongs that will come are for, in their order.
    private var pings: [Ping] = []
    private var unanswered = 0
    /// What the server has said was wrong; it says so before it closes.
    private var complaint: String?

    private enum State { case connecting, greeting, securing, loggingIn, open, ended }
    private enum Ping { case login, renewed, keepAlive, flush(UInt64) }
    private static let patienceToken: UInt64 = 1
    private static let pingToken: UInt64 = 2

    init(to server: NATSServer, tls: TLSClient?, for driver: NATSDriver) {
        (self.server, self.tls, self.driver) = (server, tls, driver)
    }

    /// False when the loop has no room for it.
    func begin(on loop: Loop, _ settings: NATSSettings) -> Bool {
        link = settings.dialer(server).dial(on: loop, deadline: settings.connectTimeout, handler: self)
        loop.after(settings.connectTimeout, self, token: Self.patienceToken)
        return link != nil
    }

    var isOpen: Bool { state == .open && link?.state == .open }
    var isFull: Bool { link?.isFull ?? false }

    func close(_ reason: CloseReason) { link?.close(reason) }

    // MARK: Beginning

    func opened(_ link: Link) {
        precondition(!link.traits.keepsMessages, "a NATS server is reached by a stream, and this link keeps messages")
        switch state {
        case .connecting: state = .greeting
        case .securing: logIn()
        case .greeting, .loggingIn, .open, .ended: break
        }
    }

    private func greeted() {
        guard let link else { return }
        codec.maxPayload = info.maxPayload
        let most = min(driver.settings.mostQueued + 2 * info.maxPayload + 96 << 20, QueueLimits.largest)
        link.limits = QueueLimits(
            low: driver.settings.mostQueued / 4, high: driver.settings.mostQueued, most: most,
            unread: codec.mostUnread)
        guard let tls else {
            if info.requiresTLS {
                return refuse(link, "the server wants TLS; write tls:// before its address, or give `tls`")
            }
            return logIn()
        }
        guard info.offersTLS else { return refuse(link, "the server has no TLS, and this client insists on it") }
        state = .securing
        self.link = tls.over(link, deadline: driver.settings.connectTimeout, handler: self)
        if self.link == nil { driver.ended(self, .tooManyLinks) }
    }

    private func refuse(_ link: Link, _ words: String) { link.close(.handshakeFailed.with(words)) }

    private func logIn() {
        guard let link else { return }
        let credentials = server.credentials ?? driver.settings.credentials
        let proof: NATSClientInfo.Proof
        do throws(BusError) { proof = try credentials.proof(nonce: info.nonce) } catch {
            return refuse(link, error.description)
        }
        state = .loggingIn
        let client = NATSClientInfo(
            name: driver.settings.name, version: "1.0", usesTLS: tls != nil, proof: proof)
        writer.connect(client.json)
        write()
        send(.login)
    }

    private func loggedIn() {
        state = .open
        wait(driver.settings.pingInterval)
        driver.ready(self)
    }

    // MARK: Writing

    func publish(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payload: RawSpan) throws(BusError) {
        guard let link, link.state == .open else { throw .away("the connection has just ended") }
        if link.isFull { throw .full(bytes: link.queued) }
        if !headers.isEmpty, !info.hasHeaders { throw .noHeaders }
        if payload.byteCount <= Self.mostCopied {
            writer.publish(subject, reply: reply, headers: headers, payload: payload)
            write()
        } else {
            writer.publishHead(subject, reply: reply, headers: headers, payloadSize: payload.byteCount)
            link.write(writer.bytes.span.raw, payload)
            link.write(NATSWriter.lineEnd)
            writer.clear()
        }
    }
    private static let mostCopied = 2 << 10

    func subscribe(_ subject: String, group: String?, sid: UInt64) {
        writer.subscribe(subject, group: group, sid: sid)
        write()
    }

    func unsubscribe(_ sid: UInt64) {
        writer.unsubscribe(sid)
        write()
    }

    func flush(_ number: UInt64) { send(.flush(number)) }
    /// The answer says that the server knows all subscriptions.
    func renewed() { send(.renewed) }

    private func send(_ ping: Ping) {
        pings.append(ping)
        link?.write(NATSWriter.ping)
    }

    @inline(__always)
    private func write() {
        link?.write(writer.bytes)
        writer.clear()
    }

    // MARK: Reading

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        do throws(NATSError) {
            while link === self.link, link.state == .open, let operation = try codec.next(in: bytes, at: &offset) {
                if case .message(let message) = operation {
                    driver.received(bytes, message, from: self)
                } else {
                    try take(operation, bytes, link)
                }
            }
        } catch { link.close(.protocolError.with(error.description)) }
        return link.state == .open ? offset : bytes.byteCount
    }

    private func take(_ operation: NATSOperation, _ bytes: RawSpan, _ link: Link) throws(NATSError) {
        switch operation {
        case .info(let json):
            info = try NATSServerInfo(json: bytes.extracting(json))
            if state == .greeting { greeted() } else if state == .open { driver.informed(by: self) }
        case .ping: link.write(NATSWriter.pong)
        case .pong: answered()
        case .error(let words): complained(bytes.text(words))
        case .message, .ok: break
        case .connect, .publish, .subscribe, .unsubscribe:
            link.close(.protocolError.with("a server has sent what only clients send"))
        }
    }

    private func answered() {
        unanswered = 0
        guard !pings.isEmpty else { return }
        switch pings.removeFirst() {
        case .login: loggedIn()
        case .renewed: driver.renewed(self)
        case .flush(let number): driver.flushed(number)
        case .keepAlive: break
        }
    }

    private func complained(_ words: String) {
        let lower = words.lowercased()
        let isPermission = lower.hasPrefix("permissions violation")
        if lower.contains("slow consumer") {
            driver.counters?.slowConsumers.add(1)
        } else if isPermission || lower.hasPrefix("auth") || lower.hasPrefix("user auth") {
            driver.counters?.refusals.add(1)
        }
        if !isPermission { complaint = words }
        // A login that is refused again and again is told once, as the reason why the bus is away.
        if state == .open {
            Log.shared.warning("bus server complains", ["server": "\(server)", "words": String(words.prefix(200))])
        }
    }

    // MARK: Ending

    private func wait(_ time: Duration) { link?.loop.after(time, self, token: Self.pingToken) }

    private func keepAlive(_ link: Link) {
        let interval = driver.settings.pingInterval
        let quiet = link.loop.now - link.lastHeard
        if quiet < interval, unanswered == 0 { return wait(interval - quiet) }
        if unanswered >= driver.settings.mostPings {
            return link.close(.peerLost.with("\(unanswered) pings were not answered"))
        }
        unanswered += 1
        send(.keepAlive)
        wait(interval)
    }

    func writable(_ link: Link) { driver.writable(self) }

    func closed(_ link: Link, _ reason: CloseReason) {
        guard link === self.link else { return }
        let wasOpen = state == .open
        state = .ended
        self.link = nil
        for case .flush(let number) in exchange(&pings, with: []) {
            driver.flushed(number, .connectionLost("\(reason)"))
        }
        var reason = reason
        if let complaint { reason = reason.with(complaint) }
        if reason == .finished, !wasOpen, complaint == nil { reason = reason.with("the server left in the greeting") }
        driver.ended(self, reason)
    }
}

extension NATSConnection: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let link, state != .ended else { return }
        switch token {
        case Self.pingToken: if state == .open { keepAlive(link) }
        default:
            if state != .open { link.close(.handshakeTimeout.with("the server has not let this client in in time")) }
        }
    }
}
