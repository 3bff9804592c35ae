import OmniwayTransport

/// Lets the visitors of one rule move so many bytes in a second, both directions together: when they have had more,
/// none of them is read until that is paid for. Datagrams that come meanwhile are dropped.
final class RulePace: TimerTarget {
    var rate: Int
    private let loop: Loop
    private var transfers: [ObjectIdentifier: Transfer] = [:]
    /// Bytes that may go at once; below zero they are owed.
    private var budget: Double
    private var looked: Moment
    private var timer: TimerID?

    init(_ rate: Int, on loop: Loop) {
        (self.rate, self.loop, looked) = (rate, loop, loop.now)
        budget = Self.burst(rate)
    }

    /// A quarter of a second, saved up while nothing went.
    private static func burst(_ rate: Int) -> Double { Double(rate) / 4 }

    var isUnused: Bool { transfers.isEmpty && timer == nil }

    func add(_ transfer: Transfer) {
        transfers[ObjectIdentifier(transfer)] = transfer
        if timer != nil { transfer.pause() }
    }

    func remove(_ transfer: Transfer) { transfers[ObjectIdentifier(transfer)] = nil }

    func take(_ count: Int) {
        earn()
        budget -= Double(count)
        guard budget < 0, timer == nil else { return }
        for transfer in transfers.values { transfer.pause() }
        wait()
    }

    private func earn() {
        let time = loop.now - looked
        looked = loop.now
        budget = min(budget + Double(rate) * (time / .seconds(1)), Self.burst(rate))
    }

    private func wait() { timer = loop.after(max(.milliseconds(1), .seconds(-budget / Double(rate))), self) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        earn()
        if budget < 0 { return wait() }
        for transfer in transfers.values { transfer.resume() }
    }
}
