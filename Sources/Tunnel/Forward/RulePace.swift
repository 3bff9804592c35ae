import OmniwayTransport

/// Lets the visitors of one rule move so many bytes in a second, both directions together: who has had more waits, and
/// none of them is read meanwhile. Datagrams are dropped then.
final class RulePace: TimerTarget {
    var rate: Int
    private let loop: Loop
    private var transfers: [ObjectIdentifier: (transfer: Transfer, counted: UInt64)] = [:]
    /// Bytes that may go at once; below zero they are owed.
    private var budget: Double
    private var looked: Moment
    private var isPaused = false
    private var timer: TimerID?
    private static let interval = Duration.milliseconds(20)

    init(_ rate: Int, on loop: Loop) {
        (self.rate, self.loop, looked) = (rate, loop, loop.now)
        budget = Self.burst(rate)
    }

    var isUnused: Bool { transfers.isEmpty && budget >= Self.burst(rate) }

    /// A quarter of a second, saved up while nothing went.
    private static func burst(_ rate: Int) -> Double { Double(rate) / 4 }

    func add(_ transfer: Transfer) {
        look()
        transfers[ObjectIdentifier(transfer)] = (transfer, 0)
        if isPaused { transfer.pause() }
        if timer == nil { timer = loop.after(Self.interval, self) }
    }

    func remove(_ transfer: Transfer) {
        guard let (_, counted) = transfers.removeValue(forKey: ObjectIdentifier(transfer)) else { return }
        budget -= Double(transfer.moved - counted)
    }

    private func look() {
        let time = loop.now - looked
        looked = loop.now
        for (id, entry) in transfers {
            let moved = entry.transfer.moved
            budget -= Double(moved - entry.counted)
            transfers[id]?.counted = moved
        }
        budget = min(budget + Double(rate) * (time / .seconds(1)), Self.burst(rate))
        guard (budget < 0) != isPaused else { return }
        isPaused = budget < 0
        for (transfer, _) in transfers.values { if isPaused { transfer.pause() } else { transfer.resume() } }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        look()
        // Until what the last of them has had is paid for.
        if !isUnused { timer = loop.after(Self.interval, self) }
    }
}
