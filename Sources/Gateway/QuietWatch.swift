import OmniwayTransport
import OmniwayWire

/// Watches that a peer is alive, by what it says: whole packets count, parts of them do not. A v2 peer pings by itself,
/// and a silent one is closed. A v1 peer is pinged when it is silent, and closed unless it answers.
final class QuietWatch: TimerTarget {
    private let dialect: GatewayDialect
    private let limit: Duration
    private let link: Link
    private var lastHeard: Moment
    private var timer: TimerID?
    private var owesPing = false
    /// It was not read since the timer was set, because somebody whom it feeds took no more.
    var isHeld = false

    init(_ dialect: GatewayDialect, _ settings: GatewaySideSettings, _ link: Link) {
        self.dialect = dialect
        limit = dialect == .v1 ? settings.pingInterval : settings.idleLimit
        self.link = link
        lastHeard = link.loop.now
    }

    var heardLast: Moment { lastHeard }

    func start() {
        guard limit > .zero else { return }
        lastHeard = link.loop.now
        wait(limit)
    }

    func stop() {
        if let timer { link.loop.cancel(timer) }
    }

    @inline(__always)
    func heard(at now: Moment) { lastHeard = now }

    /// Only a ping ends the waiting for one; other packets do not.
    func pingAnswered() {
        guard owesPing else { return }
        owesPing = false
        stop()
        wait(limit)
    }

    private func wait(_ time: Duration) { timer = link.loop.after(time, self) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        // Whoever is not read cannot be heard. It is again when it is let go: at the end of that turn.
        // For a stream that waits for a connection snet has a limit.
        let isAway = link.snet?.isConnected == false
        if isHeld || isAway {
            isHeld = isHeld && !link.isReading
            if isAway { lastHeard = loop.now }
            return wait(isHeld || isAway || owesPing ? limit : .zero)
        }
        if owesPing { return link.close(.pingTimeout.with("no answer to a ping within \(limit)")) }
        let rest = limit - (loop.now - lastHeard)
        if rest > .zero { return wait(rest) }
        switch dialect {
        case .v1:
            owesPing = true
            link.write(GatewayCodec(.v1).bytes(of: .ping).span)
            wait(limit)
        case .v2: link.close(.idle.with("no packet for \(limit)"))
        }
    }
}
