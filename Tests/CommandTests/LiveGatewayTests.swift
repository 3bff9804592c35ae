import Glibc
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// A blocking connection to a gateway.
private final class Visitor {
    private let descriptor: Int32
    /// What it is called in a failure.
    let port: UInt16

    init(_ port: UInt16) throws {
        self.port = port
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withUnsafePointer(to: target) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 { throw SystemError(number: errno) }
    }

    deinit { close(descriptor) }

    /// The next close is a reset.
    func willReset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The gateway may have hung up already.
    func send(_ bytes: [UInt8]) { _ = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = count == 0 ? 0 : unsafe recv(descriptor, &bytes, count, Int32(MSG_WAITALL))
        if got != count { throw SystemError(number: got < 0 ? errno : ECONNRESET) }
        return bytes
    }

    /// The next frame: its id and its payload.
    func frame() throws -> (ConnectionID, [UInt8]) {
        let head = try read(8).map(UInt32.init)
        let (length, id) = (Self.number(head[0..<4]), Self.number(head[4..<8]))
        return (ConnectionID(rawValue: id), try read(Int(length) - 4))
    }

    private static func number(_ bytes: ArraySlice<UInt32>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | $1 } }

    static func frame(_ id: ConnectionID, _ payload: [UInt8]) -> [UInt8] {
        let header = GatewayCodec.header(of: id, payload: payload.count)
        return header.indices.map { header[$0] } + payload
    }

    func logIn(as server: EndpointID, key: String = "a key") throws {
        let challenge = try read(8)
        send(GatewayLogin.answer(to: challenge, key: Array(key.utf8), as: server))
    }
}

/// `omniway gateway` as a real process.
private struct LiveGateway {
    let program: TestProgram
    /// In the order in which they were named, those of clients first.
    let ports: [UInt16]

    static func start(_ arguments: String, ports count: Int) async throws -> LiveGateway {
        let omniway = BuiltProduct.path("omniway")
        let program = try await TestProgram(["sh", "-c", "exec \(omniway) gateway \(arguments)"]) {
            $0.hasPrefix("setup server listener at - ")
        }
        let ports = await program.lines.filter { $0.hasPrefix("setup ") }.compactMap {
            $0.split(separator: " ").last.flatMap { SocketAddress(String($0)) }?.port
        }
        try #require(ports.count == count)
        return LiveGateway(program: program, ports: ports)
    }
}

@Suite(.timeLimit(.minutes(2))) struct GatewayTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func `an echo goes on unharmed while others send rubbish to every port`(
        _ seed: UInt64
    ) async throws {
        let folder = try TemporaryFolder()
        let identity = try TLSIdentity.selfSigned("localhost")
        try folder.write("cert.pem", try identity.certificatePEM)
        try folder.write("key.pem", try identity.keyPEM)
        let gateway = try await LiveGateway.start(
            """
            --client-addr 127.0.0.1:0 --client-addr 'tcp://127.0.0.1:0?dialect=v1' --client-addr ws://127.0.0.1:0 \
            --client-addr tls://127.0.0.1:0 --tls-cert \(folder.file("cert.pem")) --tls-key \(folder.file("key.pem")) \
            --server-addr 127.0.0.1:0 --server-auth-key 'a key' --loops 2 --max-packet 64K
            """, ports: 5)
        let server = try Visitor(gateway.ports[4])
        try server.logIn(as: 7)
        server.send([5, 0, 0, 0, 0, 0, 0, 0, 5])
        #expect(try server.frame() == (0, [5]))  // The answer to its ping: it has logged in.
        let client = try Visitor(gateway.ports[0])
        client.send([9, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0])
        let accept = try client.frame()
        #expect(accept.0 == 0 && accept.1.first == 1)
        let id = ConnectionID(rawValue: accept.1[1..<5].reversed().reduce(0) { $0 << 8 | UInt32($1) })

        var random = SeededRandom(seed: seed)
        var rabble: [Visitor] = []
        for round in 0..<300 {
            rabble.append(try Self.disturb(gateway.ports, &random))
            if rabble.count > 12 {
                let index = Int.random(in: 0..<rabble.count, using: &random)
                if Bool.random(using: &random) { rabble[index].willReset() }
                rabble.remove(at: index)
            }
            let text = (0..<Int.random(in: 0...4000, using: &random)).map { UInt8(truncatingIfNeeded: $0 &* round) }
            client.send(Visitor.frame(id, text))
            var heard = try server.frame()
            while heard.0 != id { heard = try server.frame() }  // Others dial this server too.
            #expect(heard.1 == text)
            server.send(Visitor.frame(id, heard.1))
            let answer = try client.frame()
            #expect(answer.0 == id && answer.1 == text, "seed \(seed), round \(round)")
        }
        rabble = []
        client.send([9, 0, 0, 0, 0, 0, 0, 0, 4] + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: id.rawValue >> $0) })
        #expect(try client.frame().1.first == 4)
        #expect(await gateway.program.stop() == 0)
        let lines = await gateway.program.lines
        #expect(lines.contains { $0.contains("gateway peer joined side=server id=7") })
        #expect(lines.contains { $0.contains("gateway peer left") && $0.contains("reason=\"protocol-error") })
        #expect(lines.contains { $0.contains("gateway peer left") && $0.contains("reason=\"wrong-key") })
        #expect(!lines.contains { $0.contains("Fatal") || $0.contains("Precondition") })
    }

    /// Somebody who does something wrong, at any port.
    private static func disturb(_ ports: [UInt16], _ random: inout SeededRandom) throws -> Visitor {
        let visitor = try Visitor(ports.randomElement(using: &random) ?? 0)
        let isServer = visitor.port == ports[4]
        func rubbish(_ most: Int) -> [UInt8] {
            (0..<Int.random(in: 1...most, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        }
        if isServer, Int.random(in: 0..<4, using: &random) > 0 {
            try visitor.logIn(as: EndpointID(rawValue: .random(in: 100...110, using: &random)), key: "a key")
        }
        if visitor.port == ports[2], Bool.random(using: &random) {
            let head =
                "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            visitor.send(Array(head.utf8.prefix(Int.random(in: 1...head.utf8.count * 2, using: &random))))
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: visitor.send(rubbish(3000))
        case 1: visitor.send(Array(Visitor.frame(99, rubbish(500)).dropLast()))
        case 2: visitor.send([255, 255, 255, 255] + rubbish(50))
        case 3:  // Dials the server of the echo, and sends it something that it did not ask for.
            let dial: [UInt8] = [9, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]
            visitor.send(dial + dial + dial)
            if !isServer, visitor.port == ports[0] {
                let (_, accept) = try visitor.frame()
                let id = ConnectionID(rawValue: accept[1..<5].reversed().reduce(0) { $0 << 8 | UInt32($1) })
                visitor.send(Visitor.frame(id, rubbish(3000)) + rubbish(20))
            }
        case 4: visitor.finish()
        case 5:
            visitor.send([8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0])  // A command without its end.
            visitor.willReset()
        case 6: for _ in 0..<50 { visitor.send([5, 0, 0, 0, 0, 0, 0, 0, 5]) }  // Who reads no answers.
        default: for byte in Visitor.frame(1, rubbish(20)) + rubbish(5) { visitor.send([byte]) }
        }
        return visitor
    }

    @Test func `wrong words of the gateway end with 64 and say what to do`() async throws {
        let omniway = BuiltProduct.path("omniway")
        for (arguments, code, says) in [
            ("--max-packet 12", 64, "--max-packet 12 is not between 13 and"),
            ("--max-packet 3G", 64, "is not between"),
            ("--client-addr wsx://:0", 64, "write one of tcp://, tls://, ws://, wss://"),
            ("--client-addr 'x?dialect=v3'", 64, "there is no dialect v3; write v1 or v2"),
            ("--tls-cert a", 64, "--tls-cert and --tls-key belong together"),
            ("--client-addr tls://:0", 1, "name a certificate and its key"),
        ] {
            let program = try await TestProgram(["sh", "-c", "\(omniway) gateway \(arguments); echo code $?"]) {
                $0.hasPrefix("code ")
            }
            let lines = await program.lines
            #expect(lines.last == "code \(code)", "\(arguments): \(lines)")
            #expect(lines.contains { $0.contains(says) }, "\(arguments): \(lines)")
            await program.stop()
        }
    }

    @Test func `queues of any size within the limits are taken`() async throws {
        let gateway = try await LiveGateway.start(
            """
            --client-addr 127.0.0.1:0 --server-addr 127.0.0.1:0 --server-queue-bytes 512M --client-queue-bytes 0 \
            --client-send-queue 0 --client-buffer-size 1
            """, ports: 2)
        let client = try Visitor(gateway.ports[0])
        client.send([5, 0, 0, 0, 0, 0, 0, 0, 5])
        #expect(try client.frame() == (0, [5]))
        let server = try Visitor(gateway.ports[1])
        try server.logIn(as: 7, key: "")
        server.send([5, 0, 0, 0, 0, 0, 0, 0, 5])
        #expect(try server.frame() == (0, [5]))
        #expect(await gateway.program.stop() == 0)
    }
}
