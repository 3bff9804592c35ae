import Glibc
import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

/// `omniway gateway` as a real process, in a folder of its own.
struct RunningGateway {
    let folder: TemporaryFolder
    let program: TestProgram

    /// Listens on loopback, unless the arguments say where. `ports` is how many they open.
    static func start(
        _ arguments: String = "-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0", ports: Int = 2,
        in folder: TemporaryFolder? = nil
    ) async throws -> RunningGateway {
        let folder = try folder ?? TemporaryFolder()
        let script = "cd \(folder.path) && exec \(BuiltProduct.path("omniway")) gateway --name fastway \(arguments)"
        let opened = Lock(0)
        let program = try await TestProgram(["sh", "-c", script]) { line in
            opened.withLock { opened in
                if line.hasPrefix("setup ") { opened += 1 }
                return opened == ports
            }
        }
        return RunningGateway(folder: folder, program: program)
    }

    /// What a script says and how it ends: `code <number>` is its last line.
    static func script(_ script: String, within limit: Duration = .seconds(20)) async throws -> [String] {
        let program = try await TestProgram(["bash", "-c", "(\(script)\n); echo code $?"], within: limit) {
            $0.hasPrefix("code ")
        }
        let lines = await program.lines
        await program.stop()
        return lines
    }

    /// Where it listens, in the order of the flags.
    func addresses(_ side: GatewaySide) async throws -> [SocketAddress] {
        let start = "setup \(side.rawValue) listener at - "
        return try await program.lines.filter { $0.hasPrefix(start) }.map {
            try #require(SocketAddress(String($0.dropFirst(start.count))))
        }
    }

    func address(_ side: GatewaySide) async throws -> SocketAddress { try #require(try await addresses(side).first) }

    /// Writes a command, signals, and waits for a line that answers it.
    func ask(_ command: String, until answer: String) async throws -> Bool {
        try folder.write("fastway.cmd", command)
        kill(program.pid, SIGUSR1)
        return await program.wait { $0.contains(answer) }
    }

    func says(_ text: String) async -> Bool { await program.lines.contains { $0.contains(text) } }
}

/// A server that echoes, and whatever clients a test needs, on a loop of their own.
final class GatewayPeers: Sendable {
    let loop = EventLoop()

    func echo(
        _ id: EndpointID, key: String = "", dialect: GatewayDialect = .v2, over dialer: some Dialer,
        _ change: (inout EndpointConfiguration) -> Void = { _ in }
    ) async throws {
        var configuration = EndpointConfiguration.server(id, key: key)
        configuration.dialect = dialect
        configuration.reconnect = nil
        change(&configuration)
        let server = try await GatewayEndpoint(configuration, over: dialer, on: loop)
        let connections = server.connections(.text)
        try await server.ready()
        Task {
            for await connection in connections {
                Task { for try await words in connection.messages { try await connection.send("echo \(words)") } }
            }
        }
    }

    func dial(
        _ id: EndpointID, dialect: GatewayDialect = .v2, over dialer: some Dialer
    ) async throws -> GatewayConnection<TextFormat> {
        var configuration = EndpointConfiguration.client
        configuration.dialect = dialect
        configuration.reconnect = nil
        return try await GatewayEndpoint(configuration, over: dialer, on: loop).dial(id, .text)
    }
}

extension GatewayConnection<TextFormat> {
    func ask(_ words: String) async throws -> String? {
        try await send(words)
        for try await answer in messages { return answer }
        return nil
    }
}
