import Omniway

/// What one loop has counted.
struct LoadCounts: Sendable {
    var answers = 0
    var bytes = 0
    var connects = 0
    var longest = Duration.zero
    var longestConnect = Duration.zero
    var errors: [String: Int] = [:]
    var latency: HistogramSnapshot?
    var connecting: HistogramSnapshot?
}

/// How a load went.
struct LoadReport: Sendable {
    let plan: LoadPlan
    private(set) var counts = LoadCounts()

    init(_ plan: LoadPlan) { self.plan = plan }

    mutating func add(_ more: LoadCounts) {
        counts.answers += more.answers
        counts.bytes += more.bytes
        counts.connects += more.connects
        counts.longest = max(counts.longest, more.longest)
        counts.longestConnect = max(counts.longestConnect, more.longestConnect)
        counts.errors.merge(more.errors, uniquingKeysWith: +)
        counts.latency = Self.sum(counts.latency, more.latency)
        counts.connecting = Self.sum(counts.connecting, more.connecting)
    }

    private static func sum(_ a: HistogramSnapshot?, _ b: HistogramSnapshot?) -> HistogramSnapshot? {
        guard var sum = a, let b else { return a ?? b }
        sum.add(b)
        return sum
    }

    var isGood: Bool { counts.answers > 0 && counts.errors.isEmpty }
    private var seconds: Double { plan.duration / .seconds(1) }
    var perSecond: Double { Double(counts.answers) / seconds }

    private static let ranks = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]

    /// In microseconds: the ranks, within 13 %, and the longest as it was.
    private static func times(_ snapshot: HistogramSnapshot?, _ longest: Duration) -> [(String, Double)] {
        let most = Double(longest.nanoseconds) / 1000
        return ranks.map { ($0, min(most, Double(snapshot?.percentile($1) ?? 0) / 1000)) } + [("max", most)]
    }

    private var errors: [(key: String, value: Int)] { counts.errors.sorted { $0.key < $1.key } }

    // MARK: For people

    var text: String {
        let way = plan.rate > 0 ? "\(Int(plan.rate)) messages/s" : "\(plan.inFlight) in flight"
        let answers = "\(counts.answers), \(Int(perSecond))/s, \(Int(Double(counts.bytes) / seconds / 1000)) kB/s"
        let errors = errors.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return """
            \(plan.kind.rawValue) \(plan.place): \(plan.connections) connections, \(way), \(seconds) s
            answers   \(answers)
            latency   \(Self.line(Self.times(counts.latency, counts.longest)))
            connects  \(counts.connects), \(Self.line(Self.times(counts.connecting, counts.longestConnect)))
            errors    \(errors.isEmpty ? "none" : errors)
            """
    }

    private static func line(_ times: [(String, Double)]) -> String {
        times.map { "\($0) \(inUnit($1))" }.joined(separator: ", ")
    }

    private static func inUnit(_ microseconds: Double) -> String {
        switch microseconds {
        case ..<10_000: "\(Int(microseconds)) µs"
        case ..<10_000_000: "\(Int(microseconds / 1000)) ms"
        default: "\(Int(microseconds / 1_000_000)) s"
        }
    }

    // MARK: For programs

    var jsonText: String {
        var object: JSON.Object = [
            "kind": .string(plan.kind.rawValue), "address": .string(plan.place), "connections": JSON(plan.connections),
            "seconds": JSON(seconds), "answers": JSON(counts.answers), "perSecond": JSON(perSecond),
            "bytes": JSON(counts.bytes), "connects": JSON(counts.connects),
        ]
        object["latency"] = Self.object(Self.times(counts.latency, counts.longest))
        object["connecting"] = Self.object(Self.times(counts.connecting, counts.longestConnect))
        var failed: JSON.Object = [:]
        for (name, count) in errors { failed[name] = JSON(count) }
        object["errors"] = .object(failed)
        return String(decoding: JSON.Writer(layout: .indented(2)).bytes(of: .object(object)), as: UTF8.self)
    }

    /// Microseconds.
    private static func object(_ times: [(String, Double)]) -> JSON {
        var object: JSON.Object = [:]
        for (name, time) in times { object[name] = JSON(time) }
        return .object(object)
    }
}
