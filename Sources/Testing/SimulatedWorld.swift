public import OmniwayTransport

/// Loops on virtual time, driven by one thread. The same code that runs on sockets runs here, and a seed repeats a run.
public final class SimulatedWorld {
    public let clock = ManualClock()
    public let loops: [EventLoop]

    public init(loops count: Int = 1, seed: UInt64 = 1, limits: LoopLimits = LoopLimits()) {
        let clock = self.clock
        loops = (0..<count).map {
            EventLoop(
                index: $0, clock: .manual(clock), limits: limits,
                random: SeededRandom(seed: seed &* 1_000_003 &+ UInt64($0)))
        }
    }

    deinit { for loop in loops { loop.endSimulation() } }

    public var first: EventLoop { loops[0] }

    /// Runs all loops until none has anything to do at this moment.
    public func settle() {
        var isBusy = true
        while isBusy {
            isBusy = false
            for loop in loops where loop.simulateTurn() { isBusy = true }
        }
    }

    /// Lets so much virtual time pass, timer by timer.
    public func advance(by duration: Duration) {
        let end = clock.now + duration
        settle()
        while let next = loops.compactMap(\.simulatedDeadline).min(), next <= end {
            clock.advance(to: next)
            settle()
        }
        clock.advance(to: end)
        settle()
    }

    /// Lets time pass until `condition` holds; false when nothing is left that could change it, or `limit` is over.
    public func advance(until limit: Duration = .seconds(3600), _ condition: () -> Bool) -> Bool {
        let end = clock.now + limit
        settle()
        while !condition() {
            guard let next = loops.compactMap(\.simulatedDeadline).min(), next <= end else { return false }
            clock.advance(to: next)
            settle()
        }
        return true
    }
}
