import OmniwayWire

/// Asks a silent peer whether it is there, by the deadline of one timer. Anything that arrives is an answer.
struct WebSocketKeepAlive {
    static let token: UInt64 = 1
    private let settings: WebSocket.KeepAlive
    private var timer: TimerID?
    /// Until when its silence means nothing: it was not listened to, or it was taking what waited for it.
    private var excused: Moment?

    init(_ settings: WebSocket.KeepAlive) { self.settings = settings }

    mutating func start(_ driver: WebSocketDriver, on loop: Loop) {
        timer = loop.after(settings.interval, driver, token: Self.token)
    }

    mutating func stop(on loop: Loop) {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    enum Verdict { case fine, ask, lost }

    /// The timer has fired. It is set again unless the peer is lost.
    mutating func check(_ driver: WebSocketDriver, over carrier: Link) -> Verdict {
        if let excuse = carrier.isReading ? carrier.lastTaken : carrier.loop.now { excused = excuse }
        let heard = excused.map { max($0, carrier.lastHeard) } ?? carrier.lastHeard
        let quiet = carrier.loop.now - heard
        let verdict: Verdict =
            if quiet < settings.interval || !carrier.isReading {
                .fine  // Nothing can be heard from a peer that is not listened to.
            } else if quiet < settings.interval * (settings.misses + 1) {
                .ask
            } else {
                .lost
            }
        if verdict != .lost {
            let wait = verdict == .fine && quiet < settings.interval ? settings.interval - quiet : settings.interval
            timer = carrier.loop.after(wait, driver, token: Self.token)
        }
        return verdict
    }

    var patience: Duration { settings.interval * (settings.misses + 1) }
}

extension Link {
    /// When the peer last took something, if more waits for it here or below: then bytes leave only because it reads,
    /// and our ping is behind them.
    fileprivate var lastTaken: Moment? {
        let below = (driver as? LayerDriver)?.carrier?.lastTaken
        return queued > 0 ? max(lastSent, below ?? lastSent) : below
    }
}
