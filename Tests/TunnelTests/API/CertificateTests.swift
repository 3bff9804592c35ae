import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// How a client knows its node, over real sockets (S6).
@Suite(.timeLimit(.minutes(1))) struct CertificateTests {
    private let loop = EventLoop()

    private func open(_ identity: TLSIdentity, at address: SocketAddress = .loopback()) async throws -> Listening {
        let registry = try await Registry.open(.memory, on: loop)
        let node = await TunnelNode.start(on: loop, registry: registry)
        let door = await TunnelDoor.open(for: node)
        let listening = try await TLSServer(identity).over(StreamAcceptor(address)).open(into: [door])
        while await !node.run({ _, node in node.isReady }) { try await Task.sleep(for: .milliseconds(5)) }
        return listening
    }

    /// Whether a client gets in, and what it was told.
    private func tries(_ carrier: String, _ address: SocketAddress, _ trust: TLSTrust) async throws
        -> TunnelClientEvent?
    {
        let node = try TunnelNodeAddress("\(carrier)://127.0.0.1:\(address.port)")
        let told = Told()
        let client = await TunnelClient.start(on: loop, nodes: [try node.dialer(trust: trust)]) { event, _ in
            told.add(event)
        }
        func answer() -> TunnelClientEvent? {
            told.all.first { event in
                switch event {
                case .loggedIn, .lost: true
                default: false
                }
            }
        }
        while answer() == nil { try await Task.sleep(for: .milliseconds(5)) }
        await client.run { _, client in client.close() }
        return answer()
    }

    @Test(arguments: ["tls", "wss"])
    func `a node with another certificate than the first time is refused, with both of them`(carrier: String)
        async throws
    {
        let (first, second) = (try TLSIdentity.selfSigned("127.0.0.1"), try TLSIdentity.selfSigned("127.0.0.1"))
        let (node, impostor) = (try await open(first), try await open(second))
        let pins = TLSPins()
        let trust = TLSTrust.pinned(by: pins)
        guard case .loggedIn? = try await tries(carrier, node.address, trust) else { Issue.record("no login"); return }
        #expect(pins["127.0.0.1"] == (try first.fingerprint))
        guard case .lost(let reason)? = try await tries(carrier, impostor.address, trust) else {
            Issue.record("an impostor is trusted")
            return
        }
        #expect(reason.name == CloseReason.certificateRefused.name)
        #expect(reason.description.contains(try first.fingerprint.description))
        #expect(reason.description.contains(try second.fingerprint.description))
        // The control: the same node, still pinned.
        guard case .loggedIn? = try await tries(carrier, node.address, trust) else { Issue.record("no login"); return }
        await loop.shutdown()
    }

    @Test func `a self-signed certificate is none for who asks an authority, and one that it vouches for is`()
        async throws
    {
        let identity = try TLSIdentity.selfSigned("127.0.0.1")
        let node = try await open(identity)
        guard case .lost? = try await tries("tls", node.address, .system) else { Issue.record("trusted"); return }
        let roots = TLSTrust.roots(pem: try identity.certificatePEM)
        guard case .loggedIn? = try await tries("tls", node.address, roots) else { Issue.record("no login"); return }
        await loop.shutdown()
    }

    @Test func `the HTTP interface is asked under the same certificate`() async throws {
        let (first, second) = (try TLSIdentity.selfSigned("127.0.0.1"), try TLSIdentity.selfSigned("127.0.0.1"))
        let (node, impostor) = (try await open(first), try await open(second))
        let pins = TLSPins(["127.0.0.1": try first.fingerprint], learns: false)
        let nobody = TunnelIdentity(client: "", token: "", tunnel: "", authCode: "")
        func api(_ address: SocketAddress) async throws -> TunnelAPIClient {
            try await TunnelAPIClient(
                of: TunnelNodeAddress("127.0.0.1:\(address.port)"), trust: .pinned(by: pins), as: nobody, on: loop)
        }
        #expect(try await api(node.address).isReady())
        let refused = try await api(impostor.address)
        await #expect(throws: TunnelAPIError.self) { try await refused.isReady() }
        await loop.shutdown()
    }

    @Test(arguments: [
        ("node.example", "tls://node.example:18888"), ("node.example:1", "tls://node.example:1"),
        ("10.0.0.1", "tls://10.0.0.1:18888"), ("[::1]:5", "tls://[::1]:5"), ("tcp://a:7", "tcp://a:7"),
        ("wss://a", "wss://a:443/_zhangyu/transport"), ("ws://a:80/x", "ws://a:80/x"),
    ])
    func `an address says how a node is reached`(text: String, address: String) throws {
        #expect(try TunnelNodeAddress(text).description == address)
    }

    @Test(arguments: ["", ":1", "a:0", "http://a", "a b", "tls://", "a:70000", "ws:///x"])
    func `what is no address of a node is refused with what to write`(text: String) {
        #expect(throws: TunnelNodeAddressError.self) { try TunnelNodeAddress(text) }
    }
}
