import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// A node that gets another certificate, and those who knew it by the one before.
@Suite(.timeLimit(.minutes(2))) struct TunnelRenewalTests {
    private let loop = EventLoop()

    private struct Shown {
        let certificate: String
        let key: String

        init() throws {
            let identity = try TLSIdentity.selfSigned("127.0.0.1")
            (certificate, key) = (try identity.certificatePEM, try identity.keyPEM)
        }

        func write(to folder: TemporaryFolder) throws {
            try folder.write("node.key", key)
            try folder.write("node.crt", certificate)
        }
    }

    /// A client with a way to the echo, and somebody who has come by it.
    private struct Somebody {
        let program: TestProgram
        let port: UInt16
        let visitor: TunnelVisitor
    }

    private func somebody(_ name: String, _ flags: String, at tunnel: RunningTunnel, to echo: SocketAddress)
        async throws -> Somebody
    {
        let identity = "--identity \(tunnel.folder.file(name))"
        let program = try await tunnel.client(
            "client \(identity) --node \(tunnel.address) \(flags)", until: "AuthCode ")
        let port = try await RunningTunnel.freePort()
        let added = try await tunnel.ask("tunnel add tcp://127.0.0.1:\(port) tcp://\(echo) \(identity) \(flags)")
        #expect(added.last == "code 0", "\(added)")
        #expect(await program.wait { $0.hasPrefix("listens   tcp://127.0.0.1:\(port)") })
        let visitor = await TunnelVisitor(at: port, on: loop)
        #expect(await visitor.isAnswered())
        return Somebody(program: program, port: port, visitor: visitor)
    }

    @Test func `visitors go on, who asks an authority comes back, and who has met the node is told what to do`()
        async throws
    {
        let (old, new) = (try Shown(), try Shown())
        let folder = try TemporaryFolder()
        try old.write(to: folder)
        try folder.write("authority", old.certificate)
        let tunnel = try await RunningTunnel.start(in: folder)
        let target = await loop.own { _ in TunnelEcho() }
        let echo = try await StreamAcceptor(.loopback()).open(into: [target])
        let met = try await somebody("met", "", at: tunnel, to: echo.address)
        let asking = try await somebody("asking", "--ca \(folder.file("authority"))", at: tunnel, to: echo.address)

        for one in [met, asking] { await one.visitor.says(4 << 20) }
        try folder.write("authority", old.certificate + new.certificate)
        try new.write(to: folder)
        try folder.write("new", new.certificate)
        let check = "curl -sS --cacert \(folder.file("new")) https://\(tunnel.address)/_zhangyu/healthz 2>&1"
        var said: [String] = []
        // Files are looked at once in a second.
        for _ in 0..<50 where said.last != "code 0" {
            said = try await RunningGateway.script(check)
            if said.last != "code 0" { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(said.last == "code 0", "\(said)")
        for one in [met, asking] {
            #expect(await one.visitor.hears(4 << 20))
            #expect(await one.visitor.isAnswered())
            let later = await TunnelVisitor(at: one.port, on: loop)
            #expect(await later.isAnswered())
        }

        // Now all must connect again.
        await tunnel.program.stop(signal: 9)
        let again = try await RunningTunnel.start(at: tunnel.address.port, in: folder)
        #expect(await met.program.wait { $0.contains("certificate of 127.0.0.1 has changed") })
        #expect(await met.program.wait { $0.contains("run this once with --new-certificate") })
        #expect(try await comesBack(to: asking.port))
        #expect(try await !comesBack(to: met.port, within: .zero))
        await met.program.stop()
        let taking = try await again.client(
            "client --identity \(folder.file("met")) --node \(again.address) --new-certificate", until: "AuthCode ")
        #expect(try await comesBack(to: met.port))
        for program in [taking, asking.program, again.program] { await program.stop() }
        await loop.shutdown()
    }

    private func comesBack(to port: UInt16, within limit: Duration = .seconds(20)) async throws -> Bool {
        let end = ContinuousClock.now + limit
        repeat {
            let visitor = await TunnelVisitor(at: port, on: loop)
            if await visitor.isAnswered() { return true }
            try await Task.sleep(for: .milliseconds(100))
        } while ContinuousClock.now < end
        return false
    }
}
