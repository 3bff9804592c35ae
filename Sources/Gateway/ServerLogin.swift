import OmniwayTransport
import OmniwayWire

/// A new connection on a server port, until the server has said who it is and that it knows the key.
final class ServerLogin: GatewayHandler, TimerTarget {
    let shard: GatewayShard
    private let dialect: GatewayDialect
    private let link: Link
    private var challenge: [UInt8] = []
    private var deadline: TimerID?

    init(_ link: Link, _ dialect: GatewayDialect, _ shard: GatewayShard) {
        (self.link, self.dialect, self.shard) = (link, dialect, shard)
    }

    func opened(_ link: Link) {
        challenge = (0..<GatewayLogin.challengeSize).map { _ in shard.loop.random.next() }
        link.write(challenge)
        deadline = shard.loop.after(shard.settings.loginTimeout, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard bytes.byteCount >= GatewayLogin.answerSize else { return 0 }
        let answer = unsafe bytes.extracting(first: GatewayLogin.answerSize).withUnsafeBytes { unsafe Array($0) }
        stop()
        guard let id = GatewayLogin.check(answer, to: challenge, keys: shard.keys) else {
            link.close(.wrongKey.with("the key is not one of the gateway's"))
            return GatewayLogin.answerSize
        }
        shard.admit(link, .server, id, dialect)
        return GatewayLogin.answerSize
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        link.close(.loginTimeout.with("no login within \(shard.settings.loginTimeout)"))
    }

    private func stop() {
        if let deadline { shard.loop.cancel(deadline) }
        deadline = nil
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        stop()
        shard.ended(link, .server, nil, reason)
    }
}
