/// What the experiments must show: the pass marks of the design, in one place.
enum Marks {
    // E1
    static let fullViews = Mark.atLeast(0.98)
    static let asymmetric = Mark.atMost(0)
    static let averagePath = Mark.atMost(6.4)
    static let clustering = Mark.atMost(0.001)
    static let eccentricity = Mark.atMost(10)
    // E2, E3
    static let everybody = Mark.atLeast(1)
    static let redundancyOne = Mark.atMost(0.01)
    static let hopsOverFlood = Mark.atMost(1)
    static let timeOverFlood = Mark.atMost(1.1)
    static let redundancyTen = Mark.atMost(0.05)
    static let hopsOverFloodTen = Mark.atMost(2)
    static let redundancyRandom = Mark.atMost(0.15)
    // E5
    static let firstAfterCrash = Mark.atLeast(0.999)
    static let timeAfterCrash = Mark.atMost(2)
    // E6
    static let churn = Mark.atLeast(0.999)
    static let redundancyChurn = Mark.atMost(0.3)
    // E7
    static let healing = Mark.atMost(10)
    // E8
    static let repeated = Mark.atMost(0)
    // E9
    static let alarms = Mark.atLeast(10)
    static let lifeguard = Mark.atLeast(20)
    static let latencyOfOthers = Mark.atMost(1.05)
    // E10
    static let detection = Mark.atMost(2)
    static let allKnow = Mark.atMost(5)
    static let probes = Mark.atMost(5)
    // E11
    static let extraTraffic = Mark.atMost(2)
    static let poisoned = Mark.atMost(0.4)
    // E12
    static let bytes = Mark.atMost(1.2)
    // E14
    static let speed = Mark.atLeast(500_000)
    /// Of so many nodes each event finds another one's memory cold.
    static let speedOfLarge = Mark.atLeast(250_000)
    static let largeTime = Mark.atMost(60)
    // E15
    static let effects = Mark.atMost(1)
}

enum Mark {
    case atLeast(Double), atMost(Double)

    func passes(_ value: Double) -> Bool {
        switch self {
        case .atLeast(let mark): value >= mark
        case .atMost(let mark): value <= mark
        }
    }

    var text: String {
        switch self {
        case .atLeast(let mark): "≥ \(number(mark))"
        case .atMost(let mark): "≤ \(number(mark))"
        }
    }
}

/// Four digits are enough.
func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return "\(Int(value))" }
    let scaled = (value * 10_000).rounded() / 10_000
    return "\(scaled)"
}

/// One line of the table.
struct Measured {
    let name: String
    let nodes: Int
    let seed: UInt64
    var values: [(name: String, value: Double, mark: Mark?)] = []
    var events = 0
    var trace: UInt64 = 0

    init(_ name: String, _ nodes: Int, _ seed: UInt64) { (self.name, self.nodes, self.seed) = (name, nodes, seed) }

    mutating func note(_ name: String, _ value: Double, _ mark: Mark? = nil) { values.append((name, value, mark)) }

    /// Those that miss their marks.
    var missed: [String] {
        values.compactMap { name, value, mark in
            guard let mark, !mark.passes(value) else { return nil }
            return "\(name) \(number(value)), which must be \(mark.text)"
        }
    }

    var text: String {
        let all = values.map { name, value, mark in
            let verdict = mark.map { $0.passes(value) ? " (\($0.text))" : " (MISSED: \($0.text))" } ?? ""
            return "\(name) \(number(value))\(verdict)"
        }
        let hash = String(trace, radix: 16)
        return "\(name), \(nodes) nodes: \(all.joined(separator: ", ")); seed \(seed), \(events) events, trace \(hash)"
    }
}
