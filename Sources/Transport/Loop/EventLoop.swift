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
    /// It has not answered a question in time, and not since.
    nonisolated let owesAnswer = Atomic<Bool>(false)
    private nonisolated let thread: LoopThread
    private let loop: Loop
    /// What faces have on this loop. Not the loop's own: they hold the loop, and a circle would never end.
    private var bound: [AnyObject?] = []

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
        if !clock.isManual { thread.start("loop \(index)") { [self] in runForever() } }
    }

    /// Runs `body` on the loop. What it builds there stays there: the closure captures nothing that is not `Sendable`.
    public func run<R: Sendable, E: Error>(_ body: @Sendable (Loop) throws(E) -> R) throws(E) -> R { try body(loop) }

    /// Builds a loop-confined object and returns its `Sendable` name.
    public func own<Value: AnyObject, E: Error>(_ make: @Sendable (Loop) throws(E) -> Value) throws(E) -> LoopBound<
        Value
    > {
        bind(try make(loop))
    }

    private func bind<Value: AnyObject>(_ value: Value) -> LoopBound<Value> {
        let slot = bound.firstIndex { $0 == nil } ?? bound.count
        if slot == bound.count { bound.append(nil) }
        bound[slot] = value
        return LoopBound(home: self, slot: slot)
    }

    private func value<Value: AnyObject>(_ name: LoopBound<Value>) -> Value {
        guard let value = bound[name.slot] as? Value else { preconditionFailure("a LoopBound used after its release") }
        return value
    }

    fileprivate func release<Value: AnyObject>(_ name: LoopBound<Value>) { bound[name.slot] = nil }

    fileprivate func with<Value: AnyObject, R: Sendable, E: Error>(
        _ name: LoopBound<Value>, _ body: @Sendable (Loop, Value) throws(E) -> R
    ) throws(E) -> R {
        try body(loop, value(name))
    }

    fileprivate func here<Value: AnyObject, R>(_ name: LoopBound<Value>, _ body: (Loop, Value) -> R) -> R {
        body(loop, value(name))
    }

    fileprivate func map<Value: AnyObject, Other: AnyObject, E: Error>(
        _ name: LoopBound<Value>, _ make: @Sendable (Loop, Value) throws(E) -> Other
    ) throws(E) -> LoopBound<Other> {
        bind(try make(loop, value(name)))
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
                loop.taskEnded(start)
                continue
            }
            loop.taskBegan(start)
            // Isolated to this actor because it captures it; that is what `await` returns to.
            start.runs(
                as: Task.immediate {
                    await work.run()
                    start.end()
                    self.loop.taskEnded(start)
                })
        }
        let hadMore = loop.settle()
        if busy { loop.recordBusy() }
        return busy || hadMore
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
        executor.borrowThread { while executor.runJobs() {} }
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
        if clock.isManual { return endSimulation() }
        executor.requestStop()
        await thread.join()
    }

    /// `shutdown` of a loop on a manual clock, which has no thread to wait for.
    public nonisolated func endSimulation() {
        precondition(clock.isManual, "a loop with a thread is ended by shutdown()")
        executor.simulate {
            while executor.runJobs() {}
            assumeIsolated { $0.loop.end() }
            while executor.runJobs() {}
        }
    }
}

/// A `Sendable` name for a non-`Sendable` object that one loop owns.
public struct LoopBound<Value: AnyObject>: Sendable {
    public let home: EventLoop
    let slot: Int

    public func run<R: Sendable, E: Error>(_ body: @Sendable (Loop, Value) throws(E) -> R) async throws(E) -> R {
        try await home.with(self, body)
    }

    /// Calls `body` at once when the caller is on the object's loop; nil otherwise.
    public func ifHere<R: Sendable>(_ body: @Sendable (Loop, Value) -> R) -> R? {
        home.isCurrent ? home.assumeIsolated { $0.here(self, body) } : nil
    }

    /// Lets go of the object. No copy of this name may be used afterwards.
    public func release() async { await home.release(self) }

    /// Builds another object of the same loop from this one.
    public func map<Other: AnyObject, E: Error>(
        _ make: @Sendable (Loop, Value) throws(E) -> Other
    ) async throws(E) -> LoopBound<Other> {
        try await home.map(self, make)
    }
}
