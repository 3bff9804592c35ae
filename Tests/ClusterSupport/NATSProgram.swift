import Glibc
package import OmniwayTesting

/// A real nats-server on a free port, with a configuration of its own.
package struct NATSProgram: Sendable {
    package let program: TestProgram
    package let port: UInt16
    package let folder: TemporaryFolder

    /// `configuration` is what stands in its file besides the address; `files` are written beside it first. `FOLDER`
    /// is replaced by the place of both.
    package init(
        _ configuration: String = "", files: [String: String] = [:], port: UInt16? = nil, folder: TemporaryFolder? = nil
    ) async throws {
        let folder = try folder ?? TemporaryFolder()
        let port = try port ?? TestProgram.freePort()
        for (name, text) in files { try folder.write(name, text) }
        let lines = configuration.replacing("FOLDER", with: folder.path)
        try folder.write("server.conf", "listen: \"127.0.0.1:\(port)\"\n\(lines)\n")
        // Debian has it where only root looks.
        let command = "PATH=$PATH:/usr/sbin exec nats-server -c \(folder.file("server.conf"))"
        program = try await TestProgram(["sh", "-c", command]) {
            $0.contains("Server is ready")
        }
        (self.port, self.folder) = (port, folder)
    }

    package var address: String { "nats://127.0.0.1:\(port)" }

    /// Another one at the same address.
    package func again(_ configuration: String = "") async throws -> NATSProgram {
        try await NATSProgram(configuration, port: port)
    }

    package func pause() { waitUntilPaused(program.pid) }
    package func resume() { kill(program.pid, SIGCONT) }
    package func signal(_ number: Int32) { kill(program.pid, number) }

    package func stop(_ signal: Int32? = nil) async { await program.stop(signal: signal) }
}
