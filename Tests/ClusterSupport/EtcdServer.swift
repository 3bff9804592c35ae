import FoundationEssentials
import Glibc
import OmniwayTelemetry
import OmniwayTesting

/// A real etcd on free ports, for the time of a test. It can be stopped, and started again with what it had.
package final class EtcdServer: Sendable {
    /// How clients are told apart.
    package enum Access: Sendable {
        case open
        /// Only by TLS, with this certificate.
        case secret(certificate: String, key: String)
    }

    private let folder: TemporaryDirectory
    private let access: Access
    /// Two ways to the same server.
    package var ports: [UInt16] { Array(chosen.withLock { $0 }.prefix(2)) }
    /// Those, and the one for other members.
    private let chosen = Lock<[UInt16]>([])
    private let program = Lock<TestProgram?>(nil)

    package init(_ access: Access = .open) async throws {
        folder = try TemporaryDirectory()
        self.access = access
        await Places.shared.enter()
        // Somebody else may take a port before etcd does.
        for attempt in 1...5 {
            let free = [try TestProgram.freePort(), try TestProgram.freePort(), try TestProgram.freePort()]
            chosen.withLock { $0 = free }
            do {
                try await start()
                return
            } catch  where attempt < 5 { continue }
        }
    }

    deinit { Task { await Places.shared.leave() } }

    private var scheme: String { if case .secret = access { "https" } else { "http" } }
    package var endpoints: [String] { ports.map { "\(scheme)://127.0.0.1:\($0)" } }
    package var pid: Int32 { program.withLock { $0?.pid } ?? -1 }

    package func start() async throws {
        let clients = endpoints.joined(separator: ",")
        let peers = "http://127.0.0.1:\(chosen.withLock { $0[2] })"
        var command = [
            "etcd", "--name", "one", "--data-dir", folder.path + "/data", "--listen-client-urls", clients,
            "--advertise-client-urls", clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
            "--initial-cluster", "one=\(peers)",
        ]
        if case .secret(let certificate, let key) = access {
            command += ["--cert-file", certificate, "--key-file", key]
        }
        let started = try await TestProgram(command) { $0.contains("ready to serve client requests") }
        program.withLock { $0 = started }
    }

    package func stop(signal: Int32 = SIGTERM) async {
        let running = program.withLock { program in
            defer { program = nil }
            return program
        }
        await running?.stop(signal: signal)
    }

    /// Forgets everything that it kept.
    package func erase() async throws { try await run(["rm", "-rf", folder.path + "/data"]) }

    package func pause() { waitUntilPaused(pid) }
    package func resume() { kill(pid, SIGCONT) }

    /// What etcdctl prints.
    @discardableResult
    package func control(_ words: String...) async throws -> [String] { try await control(words) }

    @discardableResult
    package func control(_ words: [String]) async throws -> [String] {
        try await run(["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", endpoints[0]] + words)
    }

    @discardableResult
    private func run(_ command: [String]) async throws -> [String] {
        let program = try await TestProgram(
            ["sh", "-c", "\"$@\" 2>&1; echo \"done $?\"", "sh"] + command
        ) { $0.hasPrefix("done ") }
        let lines = await program.lines
        await program.stop()
        guard lines.last == "done 0" else { throw Failure(lines: lines) }
        return lines.dropLast()
    }

    package struct Failure: Error { package let lines: [String] }
}

/// So that tests which run side by side do not start as many servers.
private actor Places {
    static let shared = Places()
    private var free = 3
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        if free > 0 { free -= 1 } else { await withCheckedContinuation { waiting.append($0) } }
    }

    func leave() { if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() } }
}

/// A folder that is removed with all that is in it, folders too.
package final class TemporaryDirectory: Sendable {
    package let path: String
    package init() throws {
        path = "/tmp/omniway-etcd-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
