import OmniwayTelemetry

/// What was sampled between start and stop.
struct CPUProfile: Sendable {
    let started: Timestamp
    let length: Duration
    let counts: [StackCounts.Stack: Int]
    let names: [Int32: String]
    let lost: UInt64
    /// Processor time that each thread has used meanwhile.
    let threads: [ThreadUse]

    /// In pprof's format, which `go tool pprof`, speedscope and others open.
    var pprof: [UInt8] {
        var writer = PprofWriter(Symbolizer())
        // In an order that does not change from run to run.
        for (stack, count) in counts.sorted(by: {
            ($0.key.thread, $0.key.frames.count) < ($1.key.thread, $1.key.frames.count)
        }) {
            let name = names[stack.thread] ?? "thread"
            writer.add(stack.frames, count: count, thread: "\(stack.thread) \(name)")
        }
        var comments = threads.map { thread in
            "thread \(thread.id) \(thread.name): user \(thread.user.inSeconds) s, system \(thread.system.inSeconds) s"
        }
        if lost > 0 { comments.append("\(lost) samples did not fit and are missing") }
        return Gzip.compress(
            writer.finish(
                started: started.seconds * 1_000_000_000 + started.nanoseconds, length: length,
                period: 1_000_000_000 / CPUProfiler.hertz, comments: comments))
    }
}

extension Duration {
    /// With two digits behind the point.
    var inSeconds: String {
        let hundredths = Int(self / .milliseconds(10))
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}
