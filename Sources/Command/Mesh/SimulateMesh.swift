import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain
import OmniwayTesting

/// `omniway simulate mesh`: a mesh of many nodes on virtual time, some of which crash at once.
enum SimulateMesh {
    private static let nodes = Flag(
        "nodes", .integer(2...20_000), default: 1000, placeholder: "count", help: "How many nodes join.")
    private static let kill = Flag(
        "kill", .string, default: "50%", placeholder: "share", help: "How many of them crash at once: a share, or 0.")
    private static let seed = Flag(
        "seed", .integer(0...Int.max), default: 1, placeholder: "number", help: "The same seed gives the same run.")
    private static let svg = Flag(
        "svg", .string, default: "mesh.svg", placeholder: "path",
        help: "Where to draw who is linked to whom in the end; empty for nowhere.")

    static let command = Command(
        "simulate", summary: "Tries things out on virtual time.",
        subcommands: [
            Command(
                "mesh", summary: "Lets many nodes join a mesh, and many of them crash.",
                notes: "A message is sent at the moment of the crash, and one each second after it.",
                flags: [nodes, kill, seed, svg])
        ])

    static func run(_ call: Invocation) -> ExitCode {
        guard let share = share(call[kill]) else {
            complain("omniway simulate: --kill \(call[kill]) is no share; write 50%, say, or 0")
            return .usage
        }
        let mesh = SimulatedMesh(seed: UInt64(call[seed]))
        let arrivals = Arrivals(mesh)
        mesh.join(call[nodes], every: .milliseconds(5))
        mesh.run(for: .seconds(30))
        say("joined", mesh)
        for _ in 0..<5 { arrivals.send(.milliseconds(500)) }
        let victims = mesh.some(mesh.count).filter { $0 != 0 }.prefix(Int(Double(mesh.count) * share))
        mesh.crash(Array(victims))
        print("\(victims.count) nodes crash")
        for _ in 0..<5 { arrivals.send(.seconds(1)) }
        mesh.run(for: .seconds(10))
        say("after the crash", mesh)
        print("\(mesh.events) events, seed \(call[seed]), trace \(String(mesh.trace, radix: 16))")
        guard !call[svg].isEmpty else { return .success }
        guard TextFile(call[svg]).write(MeshDrawing(mesh).svg) else {
            complain("omniway simulate: cannot write \(call[svg])")
            return .runtime
        }
        print("drawn in \(call[svg])")
        return .success
    }

    private static func share(_ text: String) -> Double? {
        let digits = text.hasSuffix("%") ? String(text.dropLast()) : text
        guard let number = Double(digits), 0...99 ~= number else { return nil }
        return number / 100
    }

    private static func say(_ when: String, _ mesh: SimulatedMesh) {
        let graph = mesh.graph(samples: 20)
        print(
            """
            \(when): \(mesh.alive.count) nodes, \(graph.reachable) of them connected, \(graph.asymmetric) one-sided \
            links, \(Int(graph.full * 100)) % full views, average path \(rounded(graph.averagePath)), \
            eccentricity \(graph.eccentricity), clustering \(rounded(graph.clustering))
            """)
    }

    static func rounded(_ number: Double) -> Double { (number * 10_000).rounded() / 10_000 }
}

/// Counts who gets a message.
private final class Arrivals {
    private let mesh: SimulatedMesh
    private var number = 0
    private var count = 0
    private var last = Duration.zero

    init(_ mesh: SimulatedMesh) {
        self.mesh = mesh
        mesh.told = { [unowned self] _, event in
            if case .broadcast(let message) = event, message.topic == "\(number)" {
                count += 1
                last = mesh.now
            }
        }
    }

    func send(_ time: Duration) {
        (number, count, last) = (number + 1, 0, mesh.now)
        let start = mesh.now
        mesh.resetTraffic()
        mesh.broadcast(from: 0, topic: "\(number)", [1])
        mesh.run(for: time)
        let milliseconds = Int((last - start) / .milliseconds(1))
        let wanted = mesh.alive.count - 1
        print(
            """
            message: \(count) of \(wanted) others within \(milliseconds) ms, \(mesh.traffic.payloads) copies, \
            \(mesh.traffic.mostHops) hops
            """)
    }
}

/// Who is linked to whom: rings around the first node, by distance from it.
private struct MeshDrawing {
    let svg: String

    init(_ mesh: SimulatedMesh) {
        let alive = mesh.alive
        var depth: [Int: Int] = [:]
        var order: [Int] = []
        if let first = alive.first {
            depth[first] = 0
            order = [first]
        }
        var next = 0
        while next < order.count {
            let node = order[next]
            next += 1
            for other in mesh.neighbors(node) where mesh.isAlive(other) && depth[other] == nil {
                depth[other] = (depth[node] ?? 0) + 1
                order.append(other)
            }
        }
        var places: [Int: (x: Double, y: Double)] = [:]
        let deepest = max(1, depth.values.max() ?? 1)
        for ring in 0...deepest {
            let nodes = order.filter { depth[$0] == ring }
            for (index, node) in nodes.enumerated() {
                places[node] = Self.place(Double(index) / Double(nodes.count), Double(ring) / Double(deepest))
            }
        }
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1050 -1050 2100 2100">"#,
            #"<rect x="-1050" y="-1050" width="2100" height="2100" fill="white"/>"#,
            #"<g stroke="steelblue" stroke-opacity="0.35" stroke-width="1">"#,
        ]
        for node in order {
            guard let from = places[node] else { continue }
            for other in mesh.neighbors(node) where other > node {
                guard let to = places[other] else { continue }
                lines.append("<line x1=\"\(from.x)\" y1=\"\(from.y)\" x2=\"\(to.x)\" y2=\"\(to.y)\"/>")
            }
        }
        lines.append(#"</g><g fill="darkblue">"#)
        let radius = order.count > 500 ? 3 : 6
        for node in order {
            guard let at = places[node] else { continue }
            lines.append("<circle cx=\"\(at.x)\" cy=\"\(at.y)\" r=\"\(radius)\"><title>node\(node)</title></circle>")
        }
        lines.append("</g></svg>\n")
        svg = lines.joined(separator: "\n")
    }

    /// A share of the way around, and of the way out.
    private static func place(_ turn: Double, _ distance: Double) -> (x: Double, y: Double) {
        let angle = turn * 2 * Double.pi
        return ((distance * 1000 * cos(angle)).rounded(), (distance * 1000 * sin(angle)).rounded())
    }
}
