import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

/// One process with every kind of port, and peers that come through each of them.
@Suite(.timeLimit(.minutes(2))) struct GatewayCarrierTests {
    /// A certificate for this machine that signs itself.
    private static func certificate(in folder: TemporaryFolder) async throws -> TLSTrust {
        let lines = try await RunningGateway.script(
            """
            cd \(folder.path)
            exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \\
                -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
            """)
        try #require(lines == ["code 0"])
        return .roots(files: folder.file("cert.pem"))
    }

    private static func dialer(_ carrier: GatewayPort.Carrier, _ address: SocketAddress, _ trust: TLSTrust) throws
        -> any Dialer
    {
        let stream = StreamDialer(address)
        switch carrier {
        case .tcp: return stream
        case .tls: return try TLSClient(host: "127.0.0.1", trust: trust).over(stream)
        case .ws: return MessageJoining().over(WebSocket(path: "/gateway").over(stream))
        case .wss:
            let tls = try TLSClient(host: "127.0.0.1", trust: trust).over(stream)
            return MessageJoining().over(WebSocket(path: "/gateway").over(tls))
        }
    }

    private struct Port {
        let url: String
        let carrier: GatewayPort.Carrier
        let dialect: GatewayDialect
        var flag: String { "'\(url)?dialect=\(dialect.rawValue)'" }
    }

    /// Each carrier, and a Unix socket, with each dialect.
    private static func ports(_ side: GatewaySide) -> [Port] {
        GatewayDialect.allCases.flatMap { dialect in
            [
                Port(url: "127.0.0.1:0", carrier: .tcp, dialect: dialect),
                Port(url: "tls://127.0.0.1:0", carrier: .tls, dialect: dialect),
                Port(url: "ws://127.0.0.1:0/gateway", carrier: .ws, dialect: dialect),
                Port(url: "wss://127.0.0.1:0/gateway", carrier: .wss, dialect: dialect),
                Port(url: "unix:\(side.rawValue)-\(dialect.rawValue).sock", carrier: .tcp, dialect: dialect),
            ]
        }
    }

    @Test(arguments: [nil, .a, .b] as [SnetDialect?], [false, true])
    func `every kind of port carries both dialects at once, alone and under snet`(
        _ snet: SnetDialect?, _ encrypts: Bool
    ) async throws {
        guard snet != nil || !encrypts else { return }
        let folder = try TemporaryFolder()
        let trust = try await Self.certificate(in: folder)
        var flags = "--tls-cert cert.pem --tls-key key.pem -ServerAuthKey secret"
        for side in GatewaySide.allCases {
            let word = side.rawValue
            for port in Self.ports(side) { flags += " --\(word)-addr \(port.flag)" }
            if let snet {
                // The sides need not agree.
                let dialect: SnetDialect = side == .client ? snet : snet == .a ? .b : .a
                flags += " --\(word)-snet --\(word)-snet-dialect \(dialect.rawValue)"
                if encrypts { flags += " --\(word)-snet-encrypt" }
            }
        }
        let gateway = try await RunningGateway.start(flags, ports: 20, in: folder)
        let peers = GatewayPeers()

        func dialers(_ side: GatewaySide) async throws -> [(any Dialer, GatewayDialect)] {
            let ports = Self.ports(side)
            let addresses = try await gateway.addresses(side)
            try #require(addresses.count == ports.count)
            return try zip(ports, addresses).map { port, address in
                let isUnix = port.url.hasPrefix("unix:")
                let place = isUnix ? SocketAddress.unix(folder.file(String(port.url.dropFirst(5)))) : address
                let plain = try Self.dialer(port.carrier, place, trust)
                guard let snet else { return (plain, port.dialect) }
                let dialect: SnetDialect = side == .client ? snet : snet == .a ? .b : .a
                return (SnetClient(dialect: dialect, encrypts: encrypts).over(plain), port.dialect)
            }
        }

        let servers = try await dialers(.server)
        for (index, (dialer, dialect)) in servers.enumerated() {
            try await peers.echo(EndpointID(rawValue: UInt32(index)), key: "secret", dialect: dialect, over: dialer)
        }
        // Each client meets a server on the same kind of port, and one that speaks the other dialect.
        for (index, (dialer, dialect)) in try await dialers(.client).enumerated() {
            for server in [index, (index + 5) % 10] {
                let id = EndpointID(rawValue: UInt32(server))
                let connection = try await peers.dial(id, dialect: dialect, over: dialer)
                let words = "\(index) to \(server)" + String(repeating: ".", count: 100_000)
                #expect(try await connection.ask(words) == "echo \(words)", "\(index) to \(server)")
                connection.close()
            }
        }
        let status = await gateway.program.stop()
        let lines = await gateway.program.lines
        #expect(status == 0, "\(lines.suffix(6))")
        await peers.loop.shutdown()
    }

    @Test func `a WebSocket message may be as large as a packet`() async throws {
        let limits = "-MaxPacket 4194304 --client-queue-bytes 16M --drain-timeout 0"
        let flags = "-ClientAddr ws://127.0.0.1:0 -ServerAddr 127.0.0.1:0 \(limits)"
        let gateway = try await RunningGateway.start(flags)
        let peers = GatewayPeers()
        try await peers.echo(7, over: StreamDialer(try await gateway.address(.server))) {
            $0.maxPacketSize = 4 << 20
            ($0.sendChanBytes, $0.recvChanBytes) = (8 << 20, 8 << 20)
        }
        let webSocket = WebSocket().over(StreamDialer(try await gateway.address(.client)))
        let page = await peers.loop.own { loop in
            let page = BigPage(3 << 20)
            _ = webSocket.dial(on: loop, deadline: .seconds(10), handler: page)
            return page
        }
        // A text of ASCII, with "echo " before it, in a frame.
        while await page.run({ _, page in page.closeReason == nil && page.received < 17 + 8 + 5 + page.size }) {
            await Task.yield()
        }
        #expect(await page.run { _, page in page.closeReason } == nil)
        #expect(await gateway.program.stop() == 0)
        await peers.loop.shutdown()
    }

    @Test func `while a key is replaced, both let servers in, and no other does`() async throws {
        let folder = try TemporaryFolder()
        try folder.write("keys", "new\nold\n")
        let gateway = try await RunningGateway.start(
            "-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 --server-auth-key-file keys", in: folder)
        let peers = GatewayPeers()
        let (client, server) = (try await gateway.address(.client), try await gateway.address(.server))
        for (id, key) in [(1, "new"), (2, "old")] as [(EndpointID, String)] {
            try await peers.echo(id, key: key, over: StreamDialer(server))
            #expect(try await peers.dial(id, over: StreamDialer(client)).ask("in") == "echo in")
        }
        for key in ["", "older", "new\nold"] {
            await #expect(throws: EndpointError.self, "\(key)") {
                try await peers.echo(3, key: key, over: StreamDialer(server))
            }
        }
        #expect(await gateway.program.stop() == 0)
        await peers.loop.shutdown()
    }
}

/// A page that dials server 7, and sends one packet as one message.
private final class BigPage: LinkHandler {
    let size: Int
    private(set) var received = 0
    private(set) var closeReason: CloseReason?
    init(_ size: Int) { self.size = size }

    func opened(_ link: Link) { link.write([9, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]) }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        let wasDialling = received < 17
        received += bytes.byteCount
        if wasDialling, received >= 17 {
            let length = UInt32(size + 4)
            let head = (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + [1, 0, 0, 0]
            link.write(head + [UInt8](repeating: 0x61, count: size))
        }
        return bytes.byteCount
    }

    func closed(_ link: Link, _ reason: CloseReason) { closeReason = reason }
}
