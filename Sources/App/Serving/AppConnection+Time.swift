import OmniwayTransport
import OmniwayWire

extension AppConnection: TimerTarget {
    static let heartbeatToken: UInt64 = 1
    static let handshakeToken: UInt64 = 2
    static let expiryToken: UInt64 = 3

    func timerFired(_ token: UInt64, on loop: Loop) {
        guard link.state == .open else { return }
        switch token {
        case Self.handshakeToken: if case .close(let error) = serve({ $0.deadlinePassed() }) { fail(error) }
        case Self.expiryToken: kick(.expired)
        default: beat()
        }
    }

    func heard() {
        guard var heartbeat else { return }
        heartbeat.heard()
        self.heartbeat = heartbeat
    }

    private func beat() {
        // Who is not read cannot be heard; but who does not read what it is sent shows no life by that.
        if !link.isReading, !link.isFull { heard() }
        guard var heartbeat else { return }
        let step = heartbeat.step(at: now)
        self.heartbeat = heartbeat
        switch step {
        case .send(let next):
            link.write(plan.heartbeat)
            heartbeatTimer = link.loop.after(next - now, self, token: Self.heartbeatToken)
        case .wait(let until):
            heartbeatTimer = link.loop.after(until - now, self, token: Self.heartbeatToken)
        case .dead:
            link.close(.heartbeatTimeout.with("nothing was heard for more than two times \(plan.settings.heartbeat)"))
        }
    }
}
