import CSystem
import Glibc
import OmniwayTelemetry

/// Samples what the processors do, for the whole process: there is one timer for it.
actor CPUProfiler {
    static let shared = CPUProfiler()
    /// Samples for each second of processor time.
    static let hertz = 100

    private struct Run {
        let started: Timestamp
        let begin: ContinuousClock.Instant
        let threads: [ThreadUse]
        let collecting: Task<StackCounts, Never>
    }
    private enum State { case off, running(Run), stopping }
    private var state = State.off

    func start() throws(CPUProfilerError) {
        guard case .off = state else { throw .runsAlready }
        let error = csystem_sampling_start(Int32(Self.hertz))
        if error == ENOSYS { throw .noUnwinder }
        guard error == 0 else { throw .system(error) }
        state = .running(
            Run(
                started: .now(), begin: .now, threads: ThreadTable.all(),
                collecting: Task.detached { await Self.collect() }))
    }

    /// Takes the samples out of their ring while others come in, so that the ring may be small.
    @concurrent private static func collect() async -> StackCounts {
        var counts = StackCounts()
        repeat {
            counts.takeAll()
            try? await Task.sleep(for: .milliseconds(100))
        } while !Task.isCancelled
        counts.takeAll()
        return counts
    }

    func stop() async throws(CPUProfilerError) -> CPUProfile {
        guard case .running(let run) = state else { throw .doesNotRun }
        state = .stopping
        _ = csystem_sampling_stop()
        run.collecting.cancel()
        let counts = await run.collecting.value
        state = .off
        return CPUProfile(
            started: run.started, length: .now - run.begin, counts: counts.stacks, names: counts.names,
            lost: counts.lost + csystem_sampling_lost(), threads: ThreadTable.since(run.threads))
    }
}

enum CPUProfilerError: Error, CustomStringConvertible {
    case runsAlready
    case doesNotRun
    case noUnwinder
    case system(Int32)

    var description: String {
        switch self {
        case .runsAlready: "cpuprof runs already; write cpuprof stop to get what it has"
        case .doesNotRun: "cpuprof does not run; write cpuprof start first"
        case .noUnwinder:
            "this C library cannot walk the stack of an interrupted thread; use glibc 2.35 or later, or perf"
        case .system(let number): "the system refuses to sample: error \(number); use perf"
        }
    }
}

/// How often each stack was seen.
struct StackCounts: Sendable {
    struct Stack: Hashable {
        let thread: Int32
        /// Where it was, and then where each call returns to.
        let frames: [UInt]
    }
    /// Most different stacks; what comes on top is counted as lost.
    private static let most = 100_000

    private(set) var stacks: [Stack: Int] = [:]
    /// What the threads are called, noted while they live.
    private(set) var names: [Int32: String] = [:]
    private(set) var lost: UInt64 = 0

    mutating func takeAll() {
        var sample = csystem_stack()
        while unsafe csystem_sampling_take(&sample) { add(Stack(sample)) }
    }

    mutating func add(_ stack: Stack) {
        if names[stack.thread] == nil { names[stack.thread] = ThreadTable.name(of: stack.thread) }
        if let count = stacks[stack] {
            stacks[stack] = count + 1
        } else if stacks.count < Self.most {
            stacks[stack] = 1
        } else {
            lost += 1
        }
    }
}

extension StackCounts.Stack {
    init(_ sample: csystem_stack) {
        thread = sample.thread
        // Safe because the frames are one row of numbers, and the sample's count is within it.
        frames = unsafe withUnsafeBytes(of: sample.frames) {
            unsafe Array($0.assumingMemoryBound(to: UInt.self).prefix(Int(sample.count)))
        }
    }
}
