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
        let echo = await loop.own { _ in TunnelEcho() }
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

    /// Another certificate in the place of the one that the node has made.
    func renew(_ index: Int) throws -> TLSFingerprint {
        let identity = try TLSIdentity.selfSigned("127.0.0.1")
        try folder.write("\(index)/node.key", try identity.keyPEM)
        try folder.write("\(index)/node.crt", try identity.certificatePEM)
        return try identity.fingerprint
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
    func visitor(at port: UInt16, within limit: Duration = .seconds(40)) async throws -> TunnelVisitor {
        let end = ContinuousClock.now + limit
        while true {
            let visitor = await TunnelVisitor(at: port, on: loop)
            if await visitor.isAnswered() { return visitor }
            try #require(ContinuousClock.now < end, "nobody answers at port \(port)")
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// What etcd remembers is what there is now, and nothing of how it came to that.
    func compact() async throws {
        let said = try await etcd.control("put", "compacted", "soon", "--write-out", "fields")
        let revision = try #require(said.first { $0.contains("Revision") }?.split(separator: " ").last)
        try await etcd.control("compact", String(revision))
    }

    /// Whether the others can know that a node shows this.
    func hasHeard(of certificate: TLSFingerprint) async throws -> Bool {
        for _ in 0..<100 {
            let said = try await etcd.control("get", "/zhangyu/node/online/", "--prefix", "--print-value-only")
            if said.contains(where: { $0.contains(certificate.description) }) { return true }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    func stop() async {
        for program in clients + nodes { await program.stop(signal: SIGKILL) }
        await etcd.stop(signal: SIGKILL)
        await loop.shutdown()
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
        var visitors: [TunnelVisitor] = []
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
        // Much is on its way through all of them.
        for visitor in [near, far] { await visitor.says(8 << 20) }
        await cluster.nodes[killed].stop(signal: SIGKILL)
        for (visitor, isWhole) in [(near, killed == 2), (far, killed == 0)] {
            if isWhole { #expect(await visitor.hears(8 << 20)) } else { #expect(await visitor.isBroken()) }
            #expect(await visitor.hasHeard(8 << 20) == isWhole)
        }
        // Clients of the killed node are at another one, and found there.
        _ = try await cluster.visitor(at: listen)
        if killed != 2 { _ = try await cluster.visitor(at: cluster.ports[2][0]) }
        await cluster.stop()
    }

    @Test func `tunnels go on while etcd is dead, and all is well when it comes back without its past`() async throws {
        let cluster = try await TunnelCluster(2, ports: 1)
        _ = try await cluster.client("owner", at: 0)
        let target = try await cluster.client("target", at: 1)
        let port = cluster.ports[0][0]
        try await cluster.add("node+tcp://\(TunnelCluster.id(0)):\(port)", by: "owner", to: target.identity)
        let visitor = try await cluster.visitor(at: port)
        await cluster.etcd.stop(signal: SIGKILL)
        await visitor.says(8 << 20)
        #expect(await visitor.hears(8 << 20))
        for _ in 0..<4 {
            #expect(await visitor.isAnswered())
            _ = try await cluster.visitor(at: port, within: .seconds(5))
            try await Task.sleep(for: .milliseconds(500))
        }
        try await cluster.etcd.start()
        try await cluster.compact()
        // Who is new is found, and what is new is heard of, at both nodes.
        let fresh = try await cluster.client("fresh", at: 1)
        let free = try await RunningTunnel.freePort()
        try await cluster.add("tcp://127.0.0.1:\(free)", by: "owner", to: fresh.identity)
        _ = try await cluster.visitor(at: free)
        #expect(await visitor.isAnswered())
        await cluster.stop()
    }

    @Test func `nodes find each other by their new certificates, and who is there goes on`() async throws {
        let cluster = try await TunnelCluster(3, ports: 1)
        let listen = try await RunningTunnel.freePort()
        _ = try await cluster.client("listener", at: 0)
        let target = try await cluster.client("target", at: 1)
        try await cluster.add("tcp://127.0.0.1:\(listen)", by: "listener", to: target.identity)
        try await cluster.add(
            "node+tcp://\(TunnelCluster.id(2)):\(cluster.ports[2][0])", by: "listener", to: target.identity)
        let visitor = try await cluster.visitor(at: listen)
        for node in 0..<3 {
            let shown = try cluster.renew(node)
            await visitor.says(1 << 20)
            #expect(try await cluster.hasHeard(of: shown))
        }
        #expect(await visitor.hears(3 << 20))
        #expect(await visitor.isAnswered())
        // Node 2 has met nobody before.
        _ = try await cluster.visitor(at: cluster.ports[2][0])
        _ = try await cluster.visitor(at: listen)
        #expect(await visitor.isAnswered())
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
