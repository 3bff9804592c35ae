import OmniwayWire

/// The dialer of streams.
struct SnetDialer<Inner: Dialer>: Dialer {
    let client: SnetClient
    let inner: Inner

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = SnetClientDriver(client.settings, inner, on: loop)
        let attempt = SnetAttempt(driver, .init(client.settings.dialect, privateKey: max(1, loop.random.next())))
        guard let carrier = inner.dial(on: loop, deadline: deadline, handler: attempt) else { return nil }
        return driver.link(over: carrier, by: attempt, deadline: deadline, handler: handler)
    }
}

/// A stream on the side that dials: without a carrier it dials another one.
final class SnetClientDriver: SnetDriver {
    private let dialer: any Dialer
    private var attempt: SnetAttempt?
    /// Attempts since the last carrier that have failed.
    private var failures = 0
    private var next: TimerID?
    /// When the last resume was done, and what had been read by then.
    private var came: (at: Moment, read: UInt64)?
    private var deadline: TimerID?

    init(_ settings: SnetSettings, _ dialer: any Dialer, on loop: Loop) {
        self.dialer = dialer
        super.init(settings, on: loop)
    }

    override var side: String { "dialing" }

    func link(over carrier: Link, by attempt: SnetAttempt, deadline: Duration, handler: any LinkHandler) -> Link? {
        attempt.carrier = carrier
        self.attempt = attempt
        link = Link.over(carrier, traits: Self.traits(over: carrier.traits), driver: self, handler: handler)
        link?.connect(within: deadline)
        if link != nil { countStreams(1) }
        return link
    }

    // MARK: Attempts

    /// The first one at once; later ones at random times, so that many clients do not come at the same moment.
    /// A carrier that was of no use counts as one that failed: in dialect A that is how a server says no.
    override func carrierLost() {
        if let came, stream?.read == came.read, loop.now - came.at < .seconds(1) { return tryLater() }
        failures = 0
        tryAgain(after: .zero)
    }

    override func carrierCame() { came = (loop.now, stream?.read ?? 0) }

    private func tryLater() {
        let delay = min(Self.longestDelay, Self.firstDelay * (1 << min(failures, 5)))
        failures += 1
        tryAgain(after: delay * Double.random(in: 0.5...1, using: &loop.random))
    }

    private func tryAgain(after delay: Duration) {
        if let next { loop.cancel(next) }
        next = loop.after(delay, self, token: Self.nextToken)
    }
    private static let nextToken: UInt64 = 3
    private static let deadlineToken: UInt64 = 4
    private static let firstDelay = Duration.milliseconds(100)
    private static let longestDelay = Duration.seconds(3)
    private static let attemptLimit = Duration.seconds(10)

    override func timerFired(_ token: UInt64, on loop: Loop) {
        switch token {
        case Self.nextToken:
            next = nil
            dial()
        case Self.deadlineToken:
            deadline = nil
            attempt?.carrier?.close(.handshakeTimeout.with("the stream was not resumed in time"))
        default:
            super.timerFired(token, on: loop)
            if carrier == nil, attempt == nil, next != nil { tryAgain(after: .zero) }
        }
    }

    private func dial() {
        guard isWaiting, attempt == nil, let stream else { return }
        let attempt = SnetAttempt(self, SnetClientHandshake(settings.dialect, resuming: stream))
        self.attempt = attempt
        deadline = loop.after(Self.attemptLimit, self, token: Self.deadlineToken)
        guard let carrier = dialer.dial(on: loop, deadline: Self.attemptLimit, handler: attempt) else {
            return failed(attempt, .tooManyLinks)
        }
        attempt.carrier = carrier
    }

    /// An attempt has come to nothing.
    func failed(_ attempt: SnetAttempt, _ reason: CloseReason) {
        guard attempt === self.attempt else { return }
        stopAttempt()
        guard let link else { return }
        guard link.state == .open else { return end(reason) }
        tryLater()
    }

    private func stopAttempt() {
        attempt = nil
        if let deadline = exchange(&deadline, with: nil) { loop.cancel(deadline) }
    }

    // MARK: The end of an attempt

    func opened(_ id: UInt64, key: UInt64, on carrier: Link) {
        stopAttempt()
        stream = SnetStream(id: id, key: key, side: .client, encrypts: settings.encrypts, ring: settings.ring)
        attach(carrier)
    }

    func resumed(peerWritten: UInt64, peerRead: UInt64, on carrier: Link) {
        stopAttempt()
        guard let told = stream?.read else { return }
        do throws(SnetError) {
            try resume(on: carrier, peerWritten: peerWritten, peerRead: peerRead, told: told)
        } catch {
            carrier.close(.resumeRefused.with(error.description))
            refused(error)
        }
    }

    /// Trying again would change nothing.
    func refused(_ error: SnetError) {
        stopAttempt()
        count(.refused)
        end(.resumeRefused.with(error.description))
    }

    override func ended() {
        if let next = exchange(&next, with: nil) { loop.cancel(next) }
        let carrier = attempt?.carrier
        stopAttempt()
        carrier?.close(.done)
        countStreams(-1)
    }
}

/// The handler of a carrier until the dialling side knows that its stream flows.
final class SnetAttempt: LinkHandler {
    private let driver: SnetClientDriver
    private var machine: SnetClientHandshake
    private var handshake: Handshake? = Handshake(layer: "snet")
    var carrier: Link?

    init(_ driver: SnetClientDriver, _ machine: SnetClientHandshake) { (self.driver, self.machine) = (driver, machine) }

    func opened(_ carrier: Link) {
        handshake?.begin()
        carrier.write(machine.hello)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        var reader = ByteReader(bytes)
        do throws(SnetError) {
            switch try machine.receive(&reader) {
            case .more: return bytes.byteCount
            case .opened(let id, let key, let reply):
                succeed(reply, carrier)
                driver.opened(id, key: key, on: carrier)
            case .resumed(let written, let read, let reply):
                succeed(reply, carrier)
                driver.resumed(peerWritten: written, peerRead: read, on: carrier)
            }
            driver.deliver(bytes.extracting(droppingFirst: reader.offset))
        } catch {
            carrier.close(.handshakeFailed.with(error.description))
            if error == .refused { driver.refused(error) }
        }
        return bytes.byteCount
    }

    private func succeed(_ reply: [UInt8], _ carrier: Link) {
        handshake?.end(.done, on: carrier.loop)
        handshake = nil
        self.carrier = nil
        if !reply.isEmpty { carrier.write(reply) }
    }

    func finished(_ carrier: Link) { carrier.close(.handshakeFailed.with("the peer left")) }

    func closed(_ carrier: Link, _ reason: CloseReason) {
        handshake?.end(by: reason, on: carrier.loop)
        handshake = nil
        self.carrier = nil
        driver.failed(self, reason)
    }
}
