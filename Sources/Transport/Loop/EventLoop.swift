import Glibc
public import OmniwayTelemetry
import Synchronization

/// The door of one loop: an actor whose executor is the loop's thread. It owns exactly one thing, the `Loop`.
public actor EventLoop {
    public nonisolated let index: Int
    public nonisolated let clock: LoopClock
    nonisolated let executor: LoopExecutor
    /// Where other loops put what goes through pipes to this one. Each pipe has a few messages under way at most.
    nonisolated let pipes: Mailbox<PipeMail>
    private nonisolated let thread: LoopThread
    private let loop: Loop

    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// On the system's clock the loop gets a thread at once, and `shutdown()` ends it. On a manual clock it has none:
    /// somebody calls `simulateTurn()`.
    public init(
        index: Int = 0, clock: LoopClock = .system, limits: LoopLimits = LoopLimits(),
        random: some RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.index = index
        self.clock = clock
        executor = LoopExecutor(isSimulated: clock.isManual)
        thread = LoopThread()
        pipes = Mailbox(limit: 4 * limits.links, index: 0, executor: executor)
        loop = Loop(
            index: index, executor: executor, clock: clock, limits: limits, random: random,
            pipes: PipeHub(mailbox: pipes))
        if !clock.isManual { thread.start { [self] in runForever() } }
    }

    isolated deinit { loop.letGo() }

    /// Runs `body` on the loop. What it builds there stays there: the closure captures nothing that is not `Sendable`.
    public func run<R: Sendable, E: Error>(_ body: @Sendable (Loop) throws(E) -> R) throws(E) -> R { try body(loop) }

    /// Builds a loop-confined object and returns its `Sendable` name.
    public func own<Value: AnyObject, E: Error>(_ make: @Sendable (Loop) throws(E) -> Value) throws(E) -> LoopBound<
        Value
    > {
        LoopBound(home: self, slot: loop.bind(try make(loop)))
    }

    fileprivate func with<Value: AnyObject, R: Sendable, E: Error>(
        _ bound: LoopBound<Value>, _ body: @Sendable (Loop, Value) throws(E) -> R
    ) throws(E) -> R {
        try body(loop, unsafe unsafeDowncast(loop.bound(bound.slot), to: Value.self))
    }

    fileprivate func map<Value: AnyObject, Other: AnyObject, E: Error>(
        _ bound: LoopBound<Value>, _ make: @Sendable (Loop, Value) throws(E) -> Other
    ) throws(E) -> LoopBound<Other> {
        let value = unsafe unsafeDowncast(loop.bound(bound.slot), to: Value.self)
        return LoopBound(home: self, slot: loop.bind(try make(loop, value)))
    }

    /// What the loop's meters say now.
    public func snapshot() -> MeterSnapshot { loop.meters.snapshot() }

    /// Turns so far, for anybody to see: it stands still when the loop sleeps, or when a callback blocks it.
    public nonisolated var pulse: UInt64 { executor.pulse.load(ordering: .relaxed) }

    /// Whether the calling thread is this loop's, or acts for it.
    public nonisolated var isCurrent: Bool { executor.isCurrent }

    // MARK: Turns

    private func turn(mayWait: Bool) -> Bool {
        let busy = loop.poll(mayWait: mayWait)
        for start in loop.takeStarts() {
            guard let work = start.begin() else {
                loop.taskEnded()
                continue
            }
            // Isolated to this actor because it captures it; that is what `await` returns to.
            start.runs(
                as: Task.immediate {
                    await work.run()
                    start.end()
                    self.loop.taskEnded()
                })
        }
        loop.settle()
        if busy { loop.recordBusy() }
        return busy
    }

    /// As many turns as possible in one isolated call: leaving it costs more than a turn without work.
    private func turnUntilJobsWait() {
        loop.settle()  // What the jobs wrote and closed; the next turn may wait for long.
        repeat { _ = turn(mayWait: !executor.mayHaveWork) } while !executor.mayHaveWork && !executor.isStopping
    }

    private nonisolated func runForever() {
        executor.becomeCurrent()
        while !executor.isStopping {
            _ = executor.runJobs()
            assumeIsolated { $0.turnUntilJobsWait() }
        }
        assumeIsolated { $0.loop.end() }
        while executor.runJobs() {}
        executor.endThread()
        while executor.runJobs() {}
    }

    /// One turn of a loop on a manual clock, on the calling thread. True when anything happened, so:
    /// call it on all loops until none is busy, then move the clock to the earliest `nextDeadline`.
    public nonisolated func simulateTurn() -> Bool {
        precondition(clock.isManual, "only a loop on a manual clock is driven from outside")
        return executor.simulate {
            let ran = executor.runJobs()
            let busy = assumeIsolated { $0.turn(mayWait: false) }
            return ran || busy || executor.mayHaveWork
        }
    }

    /// When the earliest timer of a simulated loop is due.
    public nonisolated var simulatedDeadline: Moment? {
        executor.borrowThread { assumeIsolated { $0.loop.nextDeadline } }
    }

    /// Closes all links with `.shutdown` and ends the thread. Work that is still suspended ends on whatever thread
    /// resumes it.
    public nonisolated func shutdown() async {
        executor.requestStop()
        await thread.join()
    }
}

/// A `Sendable` name for a non-`Sendable` object that one loop owns.
public struct LoopBound<Value: AnyObject>: Sendable {
    public let home: EventLoop
    let slot: Int

    public func run<R: Sendable, E: Error>(_ body: @Sendable (Loop, Value) throws(E) -> R) async throws(E) -> R {
        try await home.with(self, body)
    }

    /// Builds another object of the same loop from this one.
    public func map<Other: AnyObject, E: Error>(
        _ make: @Sendable (Loop, Value) throws(E) -> Other
    ) async throws(E) -> LoopBound<Other> {
        try await home.map(self, make)
    }
}
