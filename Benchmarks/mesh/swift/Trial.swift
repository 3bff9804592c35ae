import OmniwayTesting
import OmniwayWire

/// A mesh, and who has got what when.
final class Trial {
    let mesh: SimulatedMesh
    private(set) var sent: [Broadcast] = []
    /// How often a message came to somebody a second time.
    private(set) var repeated = 0
    private(set) var missed = 0
    private var delivered = 0
    var alsoTold: (Int, MeshEvent) -> Void = { _, _ in }

    struct Broadcast {
        let source: Int
        let at: Duration
        /// When each node had it.
        var arrivals: [Duration?]
    }

    init(_ seed: UInt64, _ change: (inout Overlay.Settings) -> Void = { _ in }) {
        var settings = SimulatedMesh.unsigned
        settings.keepAlive = .seconds(5)
        change(&settings)
        mesh = SimulatedMesh(seed: seed, settings)
        mesh.told = { [unowned self] node, event in
            alsoTold(node, event)
            switch event {
            case .broadcast(let message): arrived(message, node)
            case .missed(let count, _): missed += count
            default: break
            }
        }
    }

    private func arrived(_ message: MeshBroadcast, _ node: Int) {
        guard let number = Int(message.topic), sent.indices.contains(number) else { return }
        while sent[number].arrivals.count <= node { sent[number].arrivals.append(nil) }
        if sent[number].arrivals[node] != nil { repeated += 1 }
        sent[number].arrivals[node] = mesh.now
        delivered += 1
    }

    /// Its number.
    @discardableResult
    func broadcast(from node: Int, size: Int = 8) -> Int {
        let number = sent.count
        var arrivals = [Duration?](repeating: nil, count: mesh.count)
        arrivals[node] = mesh.now
        sent.append(Broadcast(source: node, at: mesh.now, arrivals: arrivals))
        mesh.broadcast(from: node, topic: "\(number)", [UInt8](repeating: 1, count: size))
        return number
    }

    func reach(_ number: Int, among nodes: [Int]) -> Double {
        let arrivals = sent[number].arrivals
        return Double(nodes.count { $0 < arrivals.count && arrivals[$0] != nil }) / Double(max(1, nodes.count))
    }

    /// From the sending to the last arrival.
    func time(_ number: Int) -> Double {
        let last = sent[number].arrivals.compactMap { $0 }.max() ?? sent[number].at
        return (last - sent[number].at) / .seconds(1)
    }

    func join(_ count: Int, every pause: Duration? = nil, settle: Duration = .seconds(60)) {
        mesh.join(count, every: pause ?? (count > 2000 ? .milliseconds(2) : .milliseconds(20)))
        mesh.run(for: settle)
    }

    /// How long flooding takes from a node to each, and over how many hops, where some pass it on: no tree is faster.
    func flood(from start: Int, through isMeant: (Int) -> Bool = { _ in true }) -> (times: [Duration?], hops: Int) {
        var best: [Duration?] = Array(repeating: nil, count: mesh.count)
        var hops = Array(repeating: 0, count: mesh.count)
        var front: Set<Int> = [start]
        best[start] = .zero
        // Paths are short: a few rounds settle every node.
        while !front.isEmpty {
            var next: Set<Int> = []
            for node in front.sorted() {
                for neighbor in mesh.neighbors(node) where mesh.isAlive(neighbor) && isMeant(neighbor) {
                    let time = (best[node] ?? .zero) + mesh.latency(node, neighbor)
                    if best[neighbor].map({ time < $0 }) ?? true {
                        best[neighbor] = time
                        hops[neighbor] = hops[node] + 1
                        next.insert(neighbor)
                    }
                }
            }
            front = next
        }
        return (best, hops.max() ?? 0)
    }

    /// Of the seconds to those that were reached.
    func mean(_ times: [Duration?], without left: Set<Int>) -> Double {
        let seconds = times.enumerated().filter { !left.contains($0.offset) }
            .compactMap { $0.element.map { $0 / .seconds(1) } }
        return seconds.reduce(0, +) / Double(max(1, seconds.count))
    }

    /// From here on copies are counted, and what they delivered.
    func resetTraffic() {
        mesh.resetTraffic()
        delivered = 0
    }

    /// Copies beyond one for each delivery.
    var redundancy: Double { Double(mesh.traffic.payloads) / Double(max(1, delivered)) - 1 }

    func finish(_ measured: inout Measured) {
        measured.events = mesh.events
        measured.trace = mesh.trace
    }
}
