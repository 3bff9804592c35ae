import OmniwayTransport
import OmniwayWire

/// One watch at a cluster: a stream of one member, and when that ends the stream of another, from where it ended.
final class EtcdWatching {
    private static let again = Reconnecting(first: .milliseconds(100), longest: .seconds(5))
    /// Until etcd says that it watches.
    private static let patience = Duration.seconds(5)
    private static let mostBytes = 64 << 20
    private enum Token { static let again: UInt64 = 1, patience: UInt64 = 2 }

    let feed: RegistryFeed
    /// Whose stream it is.
    private(set) var member: EtcdMember?
    private let driver: EtcdDriver
    private var call: HTTPCall?
    private var token: String?
    private var failures = 0
    private var patience: TimerID?
    private var hasEnded = false
    /// A line that has not come to its end.
    private var line: [UInt8] = []
    /// The first parts of what is too large for one line.
    private var parts: [RegistryChange] = []
    private var partBytes = 0

    init(_ feed: RegistryFeed, of driver: EtcdDriver) { (self.feed, self.driver) = (feed, driver) }

    func begin() {
        driver.withToken(before: driver.loop.now + driver.limits.deadline) { [self] result in
            if hasEnded { return }
            switch result {
            case .failure(let error): retry(error)
            case .success(let token): open(token)
            }
        }
    }

    private func open(_ token: String?) {
        guard let next = driver.member(except: []) else { return }
        (member, self.token, line, parts, partBytes) = (next, token, [], [], 0)
        let request = EtcdRequest.watch(feed.keys, from: feed.next)
        patience = driver.loop.after(Self.patience, self, token: Token.patience)
        call = next.streams.send(EtcdMember.head(request, token), .bytes(request.body), to: self)
    }

    /// The stream may be dead: on with another.
    func cut() { call?.cancel() }

    func end() {
        hasEnded = true
        stopWaiting()
        exchange(&call, with: nil)?.cancel()
    }

    /// The past is not what it was.
    func lose() {
        feed.lose()
        end()
    }

    private func giveUp() {
        lose()
        driver.remove(self)
    }

    private func stopWaiting() {
        if let patience { driver.loop.cancel(patience) }
        patience = nil
    }

    private func retry(_ error: RegistryError) {
        stopWaiting()
        call = nil
        if hasEnded { return }
        if let member, error.isTrouble { driver.hasFailed(member) }
        member = nil
        driver.heard?(error)
        let pause = Self.again.pause(after: failures, chance: driver.loop.random.next())
        driver.loop.after(pause, self, token: Token.again)
        failures += 1
    }

    // MARK: What etcd says

    private func take(_ answer: JSON) throws(RegistryError) {
        guard let result = answer["result"] else { return refused(EtcdAnswers.failure(answer)) }
        if result.flag("created") { isWatching() }
        if result.flag("canceled") {
            if result.number("compact_revision") > 0 { return giveUp() }
            return refused(EtcdFailure(code: 0, message: result.text("cancel_reason")))
        }
        let changes = try EtcdAnswers.changes(result)
        if changes.isEmpty { return }
        parts += changes
        partBytes += changes.reduce(0) { $0 + $1.byteCount }
        if partBytes > Self.mostBytes { return giveUp() }
        if result.flag("fragment") { return }
        let whole = exchange(&parts, with: [])
        partBytes = 0
        guard let last = whole.last else { return }
        if !feed.offer(whole, through: last.revision) {
            end()
            driver.remove(self)
        }
    }

    private func isWatching() {
        stopWaiting()
        failures = 0
        driver.heard?(nil)
    }

    private func refused(_ failure: EtcdFailure) {
        // etcd 3.4 says no more than that of a token that it has forgotten.
        let mayBeToken = failures == 0 && failure.message.contains("permission denied")
        if failure.wantsToken || mayBeToken { driver.forgetToken(token) }
        let call = call
        retry(failure.error)
        call?.cancel()
    }
}

extension EtcdWatching: HTTPResponseHandler {
    func received(_ head: HTTPResponseHead, of call: HTTPCall) {}

    func receive(_ bytes: RawSpan, of call: HTTPCall) {
        guard call === self.call else { return }
        line += bytes.array(0..<bytes.byteCount)
        var start = line.startIndex
        // One search for each chunk: what was there before has no end of a line.
        var from = max(start, line.count - bytes.byteCount)
        do throws(RegistryError) {
            while let end = line[from...].firstIndex(of: UInt8(ascii: "\n")) {
                let text = Array(line[start..<end])
                (start, from) = (end + 1, end + 1)
                if !text.isEmpty { try take(try EtcdAnswers.read(text)) }
                guard call === self.call else { return }  // It has ended, or goes on elsewhere.
            }
            line.removeFirst(start)
            if line.count > EtcdAnswers.mostBytes { giveUp() }
        } catch { retryAfter(error) }
    }

    private func retryAfter(_ error: RegistryError) {
        let call = call
        retry(error)
        call?.cancel()
    }

    func ended(_ call: HTTPCall) {
        guard call === self.call else { return }
        // An error has no line feed behind it.
        if !line.isEmpty, let answer = try? EtcdAnswers.read(line) { return refused(EtcdAnswers.failure(answer)) }
        retry(RegistryError(.interrupted, "\(member?.name ?? "etcd") has ended a watch"))
    }

    func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        guard call === self.call else { return }
        retry(RegistryError(.unavailable, "\(member?.name ?? "etcd"): \(error)"))
    }
}

extension EtcdWatching: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if hasEnded { return }
        switch token {
        case Token.again: begin()
        default: retryAfter(RegistryError(.timedOut, "\(member?.name ?? "etcd") does not begin to watch"))
        }
    }
}
