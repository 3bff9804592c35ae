import ClusterSupport
import Glibc
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Nodes of one cluster as real processes, which share a real etcd.
private final class TunnelCluster {
    let etcd: EtcdServer
    let folder: TemporaryFolder
    let loop = EventLoop()
    let target: Listening
    private(set) var nodes: [TestProgram] = []
    private(set) var addresses: [SocketAddress] = []
    private(set) var admins: [String] = []
    private var clients: [TestProgram] = []
    /// Ports that rules may have at each node.
    let ports: [[UInt16]]

    static func id(_ index: Int) -> String { "0\(index)000000-0000-4000-8000-000000000000" }

    init(_ count: Int, ports each: Int) async throws {
        etcd = try await EtcdServer()
        folder = try TemporaryFolder()
        try folder.write("key", "the secret of this cluster\n")
        let echo = await loop.own { _ in Echoes() }
        target = try await StreamAcceptor(.loopback()).open(into: [echo])
        var ports: [[UInt16]] = []
        for _ in 0..<count {
            var mine: [UInt16] = []
            for _ in 0..<each { mine.append(try await RunningTunnel.freePort()) }
            ports.append(mine)
        }
        self.ports = ports
        for index in 0..<count { try await start(index) }
    }

    private func start(_ index: Int) async throws {
        let port = try await RunningTunnel.freePort()
        let program = try await TestProgram([
            "sh", "-c",
            """
            exec \(BuiltProduct.path("omniway")) node --data \(folder.path)/\(index) --listen 127.0.0.1:\(port) \
            --advertise 127.0.0.1:\(port) --admin-addr 127.0.0.1:0 --id \(Self.id(index)) --etcd \(etcd.endpoints[0]) \
            --cluster-key-file \(folder.file("key")) \
            --allow-ports \(ports.joined().map { "\($0)" }.joined(separator: ","))
            """,
        ]) { $0.hasPrefix("Ctrl-C") }
        nodes.append(program)
        addresses.append(.loopback(port: port))
        let line = try #require(await program.lines.first { $0.contains("admin        ") })
        admins.append(String(line.split(separator: " ").last ?? ""))
    }

    /// A client that begins at a node, and goes to the others when that is gone.
    func client(_ name: String, at index: Int) async throws -> (program: TestProgram, identity: TunnelIdentity) {
        let order = addresses[index...] + addresses[..<index]
        let flags = order.map { "--node \($0)" }.joined(separator: " ")
        let path = folder.file(name)
        let program = try await TestProgram([
            "sh", "-c", "exec \(BuiltProduct.path("omniway")) client --identity \(path) \(flags)",
        ]) { $0.contains("AuthCode ") }
        clients.append(program)
        return (program, try #require(try TunnelIdentityFile(path).load()))
    }

    /// A rule that one client makes for the target behind another.
    func add(_ listen: String, by name: String, to other: TunnelIdentity) async throws {
        try folder.write("code", other.authCode)
        let said = try await RunningGateway.script(
            """
            \(BuiltProduct.path("omniway")) tunnel add \(listen) tcp://\(target.address) --of \(other.tunnel) \
            --code-file \(folder.file("code")) --identity \(folder.file(name)) 2>&1
            """)
        try #require(said.last == "code 0", "\(said)")
    }

    func readiness(_ index: Int) async throws -> String {
        try await RunningGateway.script("curl -sS -m 5 \(admins[index])/readyz").joined(separator: " ")
    }

    /// Somebody for whom the echo answers, as soon as it does.
    func visitor(at port: UInt16, within limit: Duration = .seconds(40)) async throws -> Visitor {
        let end = ContinuousClock.now + limit
        while true {
            let visitor = await Visitor(at: port, on: loop)
            if await visitor.isAnswered() { return visitor }
            try #require(ContinuousClock.now < end, "nobody answers at port \(port)")
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    func stop() async {
        for program in clients + nodes { await program.stop(signal: SIGKILL) }
        await etcd.stop(signal: SIGKILL)
        await loop.shutdown()
    }

    private final class Echoes: LinkIntake, LinkHandler {
        func accept(_ link: Link) -> (any LinkHandler)? { self }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            link.write(bytes)
            return bytes.byteCount
        }
    }
}

private struct Visitor {
    private let recorder: LoopBound<Recorder>

    init(at port: UInt16, on loop: EventLoop) async {
        recorder = await loop.own { loop in
            let recorder = Recorder()
            StreamDialer(.loopback(port: port)).dial(on: loop, deadline: .seconds(5), handler: recorder)?.write([1])
            return recorder
        }
    }

    /// It says something, and hears that.
    func isAnswered() async -> Bool {
        let before = await recorder.run { _, recorder in
            recorder.link?.write([2])
            return recorder.bytes.count
        }
        for _ in 0..<500 {
            let (count, isOver) = await recorder.run { _, recorder in
                (recorder.bytes.count, recorder.closeReason != nil)
            }
            if count > before { return true }
            if isOver { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    func isBroken() async -> Bool {
        for _ in 0..<1000 {
            let isOver = await recorder.run { _, recorder in
                recorder.closeReason != nil || recorder.events.contains(.finished)
            }
            if isOver { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

@Suite(.timeLimit(.minutes(5))) struct TunnelClusterTests {
    @Test func `a rule's owner, target and visitor may be at any two nodes, also while etcd is away`() async throws {
        let cluster = try await TunnelCluster(2, ports: 4)
        var owners: [String] = []
        var targets: [TunnelIdentity] = []
        for index in 0..<2 {
            _ = try await cluster.client("owner\(index)", at: index)
            owners.append("owner\(index)")
            targets.append(try await cluster.client("target\(index)", at: index).identity)
        }
        var visitors: [Visitor] = []
        for placement in 0..<8 {
            let (owner, target, node) = (placement & 1, placement >> 1 & 1, placement >> 2)
            let port = cluster.ports[node][placement & 3]
            try await cluster.add(
                "node+tcp://\(TunnelCluster.id(node)):\(port)", by: owners[owner], to: targets[target])
            visitors.append(try await cluster.visitor(at: port))
        }
        cluster.etcd.pause()
        var said = ""
        for _ in 0..<60 where !said.contains("degraded: not registered") {
            said = try await cluster.readiness(0)
            for visitor in visitors { #expect(await visitor.isAnswered()) }
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(said.hasPrefix("ready") && said.contains("degraded: not registered"), "\(said)")
        // Who comes now is served from what the nodes remember.
        for node in 0..<2 {
            for port in cluster.ports[node] { _ = try await cluster.visitor(at: port, within: .seconds(10)) }
        }
        cluster.etcd.resume()
        for _ in 0..<60 where said.contains("degraded") {
            said = try await cluster.readiness(0)
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(said == "ready code 0")
        for visitor in visitors { #expect(await visitor.isAnswered()) }
        // Everybody is there again for whoever asks.
        let fresh = try await cluster.client("fresh", at: 1)
        let free = try await RunningTunnel.freePort()
        try await cluster.add("tcp://127.0.0.1:\(free)", by: "owner0", to: fresh.identity)
        await cluster.stop()
    }

    /// At node 0 is who listens, at node 1 the target, and node 2 has a port that leads to it.
    @Test(arguments: [0, 1, 2])
    func `a node that is killed breaks what goes through it, and others go on and take its place`(killed: Int)
        async throws
    {
        let cluster = try await TunnelCluster(3, ports: 1)
        let listen = try await RunningTunnel.freePort()
        _ = try await cluster.client("listener", at: 0)
        let target = try await cluster.client("target", at: 1)
        try await cluster.add("tcp://127.0.0.1:\(listen)", by: "listener", to: target.identity)
        try await cluster.add(
            "node+tcp://\(TunnelCluster.id(2)):\(cluster.ports[2][0])", by: "listener", to: target.identity)
        let near = try await cluster.visitor(at: listen)
        let far = try await cluster.visitor(at: cluster.ports[2][0])
        await cluster.nodes[killed].stop(signal: SIGKILL)
        if killed == 2 { #expect(await near.isAnswered()) } else { #expect(await near.isBroken()) }
        if killed == 0 { #expect(await far.isAnswered()) } else { #expect(await far.isBroken()) }
        // Clients of the killed node are at another one, and found there.
        _ = try await cluster.visitor(at: listen)
        if killed != 2 { _ = try await cluster.visitor(at: cluster.ports[2][0]) }
        await cluster.stop()
    }

    @Test func `a node is who it says to an etcd that asks`() async throws {
        let etcd = try await EtcdServer()
        let folder = try TemporaryFolder()
        try folder.write("password", "a password\n")
        for words in [
            ["user", "add", "root:a password"], ["user", "grant-role", "root", "root"], ["auth", "enable"],
        ] { try await etcd.control(words) }
        let known = try await RunningTunnel.start(
            "--etcd \(etcd.endpoints[0]) --etcd-user root --etcd-password-file \(folder.file("password"))")
        let client = try await known.client("client --node \(known.address)", until: "AuthCode ")
        let admin = try await RunningTunnel.freePort()
        let unknown = try await TestProgram([
            "sh", "-c",
            """
            exec \(BuiltProduct.path("omniway")) node --data \(folder.file("unknown")) --listen 127.0.0.1:0 \
            --admin-addr 127.0.0.1:\(admin) --etcd \(etcd.endpoints[0]) 2>&1
            """,
        ]) { $0.contains("user name is empty") }
        let said = try await RunningGateway.script("curl -sS http://127.0.0.1:\(admin)/readyz")
        #expect(said.first == "starting")
        for program in [client, known.program, unknown] { await program.stop() }
        await etcd.stop(signal: SIGKILL)
    }

    @Test(arguments: [
        ("--etcd http://a:1 --etcd-user x", "belong together"),
        ("--etcd-user x --etcd-password-file x", "--etcd where"),
    ])
    func `half a user of etcd is none`(flags: String, words: String) async throws {
        let said = try await RunningGateway.script("\(BuiltProduct.path("omniway")) node \(flags) 2>&1")
        #expect(said.last == "code 64" && said.contains { $0.contains(words) }, "\(said)")
    }
}
