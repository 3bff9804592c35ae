import Glibc
package import OmniwayTesting

/// A real Redis on a free port, that keeps nothing.
package struct RedisProgram: Sendable {
    package let program: TestProgram
    package let port: UInt16

    package init(password: String? = nil, port: UInt16? = nil) async throws {
        let port = try port ?? TestProgram.freePort()
        program = try await TestProgram(
            ["redis-server", "--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--appendonly", "no"]
                + (password.map { ["--requirepass", $0] } ?? [])
        ) { $0.contains("Ready to accept connections") }
        self.port = port
    }

    package var address: String { "127.0.0.1:\(port)" }
    package func signal(_ number: Int32) { kill(program.pid, number) }
    package func stop(_ signal: Int32? = nil) async { await program.stop(signal: signal) }

    /// What redis-cli prints, without quotes.
    @discardableResult
    package func control(_ words: String...) async throws -> [String] {
        let program = try await TestProgram(
            ["sh", "-c", "\"$@\" 2>&1; echo done", "sh", "redis-cli", "-p", "\(port)"] + words
        ) { $0 == "done" }
        let lines = await program.lines
        await program.stop()
        return lines.dropLast()
    }
}
