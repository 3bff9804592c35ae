import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// What the page about the tunnel says, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct TunnelPageTests {
    @Test func `the quick start of the page leads from a visitor to a target`() async throws {
        let folder = try TemporaryFolder()
        let loop = EventLoop()
        let entrance = try await startNode(on: loop, at: .loopback(), registry: folder.file("tunnel.db"))
        let echo = await loop.own { _ in EchoIntake() }
        let target = try await StreamAcceptor(.loopback()).open(into: [echo])
        let file = TunnelIdentityFile(folder.file("client.json"), older: nil)
        let client = try await startClient(on: loop, node: entrance.address, keptIn: file)
        while await !client.run({ _, client in client.isLoggedIn }) { try await Task.sleep(for: .milliseconds(5)) }
        let identity = try #require(await client.run { _, client in client.identity })
        while try file.load() != identity { try await Task.sleep(for: .milliseconds(5)) }

        let free = try await StreamAcceptor(.loopback()).open(into: [echo])
        await free.stop()
        let rule = TunnelRuleRequest(
            listen: "tcp://\(free.address)", target: "tcp://\(target.address)", of: identity.tunnel)
        await client.run { _, client in client.add(rule) }
        while await client.run({ _, client in client.listening }).isEmpty {
            try await Task.sleep(for: .milliseconds(5))
        }
        let recorder = await loop.own { loop in
            let recorder = Recorder()
            let link = StreamDialer(free.address).dial(on: loop, deadline: .seconds(5), handler: recorder)
            link?.write(Array("over sockets".utf8))
            link?.finish()
            return recorder
        }
        while await recorder.closeReason == nil { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await recorder.text == "over sockets")
        await client.run { _, client in client.close() }
        await loop.shutdown()
    }

    @Test func `a name of the page is served over HTTP and over TLS`() async throws {
        let world = try await SocketWorld()
        let origin = await world.loop.own { loop in
            var routes = HTTPRoutes()
            routes.get("/") { $0.respond(.ok, $0.request.headers["x-forwarded-proto"] ?? "") }
            return HTTPServer(on: loop, routes: routes)
        }
        let target = try await StreamAcceptor(.loopback()).open(into: [origin])
        let identity = try TLSIdentity.selfSigned("shop.example")
        let entrances = try await openWeb(
            of: world.node, http: .loopback(), https: .loopback(), try TLSServer(identity))
        try await world.add("shop.example", to: "http://\(target.address)", isAtClient: false)
        let tls = try TLSClient(host: "shop.example", trust: .roots(pem: identity.certificatePEM))
        for (index, scheme) in ["http", "https"].enumerated() {
            let socket = StreamDialer(entrances[index].address)
            let recorder = await world.loop.own { loop in
                let recorder = Recorder()
                let link =
                    scheme == "http"
                    ? socket.dial(on: loop, deadline: .seconds(5), handler: recorder)
                    : tls.over(socket).dial(on: loop, deadline: .seconds(5), handler: recorder)
                link?.write(Array("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n".utf8))
                return recorder
            }
            while await !recorder.hasEnded { try await Task.sleep(for: .milliseconds(5)) }
            #expect(await recorder.text.hasPrefix("HTTP/1.1 200 "))
            #expect(await recorder.text.hasSuffix("\r\n\r\n" + scheme))
        }
        await world.close()
    }

    /// Entrances for visitors of names.
    func openWeb(of node: LoopBound<TunnelNode>, http: SocketAddress, https: SocketAddress, _ tls: TLSServer)
        async throws -> [Listening]
    {
        let web = await TunnelWeb.open(for: node)
        let secure = await TunnelWeb.open(for: node, secured: .terminated(tls))
        return [
            try await StreamAcceptor(http).open(into: [web]), try await StreamAcceptor(https).open(into: [secure]),
        ]
    }

    /// A node with its registry in a file, and an entrance for clients.
    func startNode(on loop: EventLoop, at address: SocketAddress, registry path: String) async throws -> Listening {
        let registry = try await Registry.open(.sqlite(path), on: loop)
        var settings = TunnelNodeSettings()
        settings.allowPorts = [8000...8999]
        let node = await TunnelNode.start(on: loop, registry: registry, settings: settings)
        return try await StreamAcceptor(address).open(into: [node])
    }

    /// A client that stays the same when it is started again.
    func startClient(on loop: EventLoop, node: SocketAddress, keptIn file: TunnelIdentityFile) async throws
        -> LoopBound<TunnelClient>
    {
        return await TunnelClient.start(on: loop, nodes: [StreamDialer(node)], identity: try file.load()) {
            event, client in
            guard case .registered(let identity) = event else { return print(event) }
            client.loop.offLoop {
                Result { try file.save(identity) }
            } _: { result in
                guard case .success? = result else { return print("the identity is not kept: \(result as Any)") }
                print("number \(identity.tunnel), AuthCode \(identity.authCode)")
            }
        }
    }
}
