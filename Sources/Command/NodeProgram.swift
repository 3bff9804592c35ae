import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// A command that runs a node until a signal ends it, or until another process has taken its place.
struct NodeProgram: Sendable {
    /// What errors begin with, such as `omniway gateway`.
    let name: String
    let signals: ProcessSignals
    /// The socket at which `omniway upgrade` asks it to give its place to a new process.
    let door: String
    /// What SIGUSR1 asks for; nil when there is nothing.
    var commands: SignalCommands?
    /// SIGHUP, when the log has been opened again.
    var hangUp: @Sendable () -> Void = {}
    /// The last thing, before the process ends.
    var atEnd: @Sendable () -> Void = {}
    /// What a connection that was cut off is called in the log.
    var connections = "connections"

    /// What a program does when all has started and nobody else accepts at its ports: it takes what only one process
    /// may have, perhaps from the one whose place it has taken, and says where it listens.
    typealias Arrival = @Sendable (_ isSuccessor: Bool) async throws -> Void

    /// Starts what `start` does on a node, and waits.
    func run(
        _ configuration: Node.Configuration, _ start: @escaping @Sendable (Node) async throws -> Arrival
    ) -> Never {
        let environment = ProcessInfo.processInfo.environment
        ListeningSockets.shared.takeFromSupervisor(environment)
        let predecessor = Predecessor(environment)
        let service = Supervisor(environment)
        let succession = Succession(CommandLine.arguments, environment, service)
        let life = Life()
        Task.detached { await begin(configuration, predecessor, service, succession, life, start) }
        while true {
            switch signals.next() {
            case .command:
                guard let commands else { Log.shared.notice("no commands here", ["signal": "SIGUSR1"]); continue }
                commands.signalled()
            case .hangUp:
                service.reloading()
                Log.shared.reopenAfterRotation()
                hangUp()
                service.ready()
            case .end: end(.runtime)
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                service.stopping()
                Task.detached {
                    await succession.giveUp()
                    await drain(life)
                }
            }
        }
    }

    /// The node, as soon as there is one.
    private final class Life: Sendable {
        private struct State {
            var node: Node?
            var isEnding = false
        }
        private let state = Lock(State())

        /// False when the process is about to end.
        func begin(_ node: Node) -> Bool {
            state.withLock { state in
                state.node = node
                return !state.isEnding
            }
        }

        func end() -> Node? {
            state.withLock { state in
                state.isEnding = true
                return state.node
            }
        }
    }

    /// Ends the process when all that is under way has come to its end.
    private func drain(_ life: Life) async {
        let cutOff = await life.end()?.stop() ?? 0
        if cutOff > 0 { Log.shared.warning("\(connections) cut off", ["count": "\(cutOff)"]) }
        end(.success)
    }

    @concurrent private func begin(
        _ configuration: Node.Configuration, _ predecessor: Predecessor?, _ service: Supervisor,
        _ succession: Succession, _ life: Life, _ start: @Sendable (Node) async throws -> Arrival
    ) async {
        do {
            let node = try await Node(configuration)
            guard life.begin(node) else { return }
            let arrive = try await start(node)
            await openDoor(node, succession, life)
            await predecessor?.takePlace()
            try await arrive(predecessor != nil)
            await node.ready()
            service.ready()
            letGoOfUnused(isSuccessor: predecessor != nil)
            Task.detached {
                try? await Task.sleep(for: Self.afterStart)  // Nobody cancels it.
                Host.forgetStart()
            }
            await service.watch(node.loops)
        } catch is NodeStopped {
            // A signal ends the process.
        } catch {
            complain("\(name): \(error)")
            end(.runtime)
        }
    }

    /// Who cannot be asked for an upgrade works all the same.
    private func openDoor(_ node: Node, _ succession: Succession, _ life: Life) async {
        do {
            let folder = door.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            try DataFolder(folder.joined(separator: "/")).create()
            let door = try await UpgradeDoor(at: door, on: node.loops) { program in
                try await succession.handOver(to: program)
            } leave: {
                Task.detached { await drain(life) }
            }
            _ = try await node.start { _ in door }
        } catch { Log.shared.info("no upgrades", ["socket": door, "why": "\(error)"]) }
    }

    /// What systemd passed and nobody asked for is a mistake in the settings. What a predecessor gave may be asked for
    /// later: ports of a tunnel wait for those who have them.
    private func letGoOfUnused(isSuccessor: Bool) {
        guard isSuccessor else {
            for name in ListeningSockets.shared.unused {
                Log.shared.warning("a passed socket has no use", ["socket": name, "try": "listen on it, by its name"])
            }
            return ListeningSockets.shared.closeUnused()
        }
        Task.detached {
            try? await Task.sleep(for: Self.patience)  // Nobody cancels it.
            ListeningSockets.shared.closeUnused()
        }
    }
    private static let patience = Duration.seconds(60)
    private static let afterStart = Duration.seconds(5)

    func end(_ code: ExitCode) -> Never {
        atEnd()
        leave(with: code)
    }
}
