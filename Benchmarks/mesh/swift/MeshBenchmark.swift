import Glibc
import OmniwayTesting
import OmniwayWire

/// All experiments, at their sizes.
@main struct MeshBenchmark {
    static func main() {
        var wanted: [String] = []
        var (seed, isLarge) = (UInt64(1), false)
        var nodes: Int?
        var words = CommandLine.arguments.dropFirst()
        while let word = words.popFirst() {
            switch word {
            case "--large": isLarge = true
            case "--nodes": nodes = words.popFirst().flatMap { Int($0) }
            case "--seed": seed = words.popFirst().flatMap { UInt64($0) } ?? 1
            default: wanted.append(word.uppercased())
            }
        }
        var missed: [String] = []
        for (name, run) in table(isLarge, nodes) where wanted.isEmpty || wanted.contains(name) {
            let measured = run(seed)
            print(measured.text)
            missed += measured.missed.map { "\(measured.name), \(measured.nodes) nodes: \($0)" }
        }
        for one in missed { print("# missed: \(one)") }
        if !missed.isEmpty { exit(1) }
    }

    private static func table(_ isLarge: Bool, _ nodes: Int?) -> [(String, (UInt64) -> Measured)] {
        var table: [(String, (UInt64) -> Measured)] = []
        func add(_ name: String, _ sizes: [Int], _ run: @escaping (Int, UInt64) -> Measured) {
            for size in nodes.map({ [$0] }) ?? sizes { table.append((name, { run(size, $0) })) }
        }
        let large = isLarge ? [10_000] : []
        add("E1", [10, 100, 1000] + large) { Experiments.e1($0, seed: $1) }
        add("E2", [10, 100, 1000] + large) { Experiments.e2($0, seed: $1) }
        add("E3", [1000]) { Experiments.e3($0, seed: $1, isRandom: false) }
        add("E3", [1000]) { Experiments.e3($0, seed: $1, isRandom: true) }
        add("E4", [20, 100, 1000]) { Experiments.e4($0, seed: $1) }
        for percent in [10, 20, 30, 40, 50, 60, 70, 80, 90, 95] {
            add("E5", [1000]) { Experiments.e5($0, seed: $1, percent: percent) }
        }
        for percent in [50, 80, 90] { add("E5", large) { Experiments.e5($0, seed: $1, percent: percent) } }
        add("E6", [1000]) { Experiments.e6($0, seed: $1) }
        for share in [0.5, 0.9] {
            for time in [5, 30, 300] {
                add("E7", [100, 1000]) { Experiments.e7($0, seed: $1, share: share, time: .seconds(time)) }
            }
        }
        for loss in [0.01, 0.05, 0.2] {
            add("E8", [1000]) { Experiments.e8($0, seed: $1, "loss \(loss)") { $0.loss = loss } }
        }
        add("E8", [1000]) { Experiments.e8($0, seed: $1, "half come twice") { $0.duplication = 0.5 } }
        add("E8", [1000]) { Experiments.e8($0, seed: $1, "disorder") { $0.disorder = .milliseconds(200) } }
        add("E9", [100, 300]) { Experiments.e9($0, seed: $1) }
        // Of ten nodes each run is chance, and costs nothing.
        add("E10", [10, 100, 300]) { Experiments.e10($0, seed: $1, crashes: $0 < 100 ? 31 : 7) }
        add("E11", [100, 1000]) { Experiments.e11($0, seed: $1) }
        for size in [64, 256, 1000] { add("E12", [100]) { Experiments.e12($0, seed: $1, size: size << 10) } }
        add("E14", [1000] + large) { Experiments.e14($0, seed: $1) }
        add("E15", [100]) { Experiments.e15($0, seed: $1) }
        return table
    }
}
