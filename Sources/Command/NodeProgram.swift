import Omniway
import OmniwayArguments
import OmniwayMain

/// A command that runs a node until a signal ends it.
struct NodeProgram: Sendable {
    /// What errors begin with, such as `omniway gateway`.
    let name: String
    let signals: ProcessSignals
    /// What SIGUSR1 asks for; nil when there is nothing.
    var commands: SignalCommands?
    /// SIGHUP, when the log has been opened again.
    var hangUp: @Sendable () -> Void = {}
    /// The last thing, before the process ends.
    var atEnd: @Sendable () -> Void = {}
    /// What a connection that was cut off is called in the log.
    var connections = "connections"

    /// Starts what `start` does on a node, and waits. `start` says at its end that the node is ready.
    func run(_ configuration: Node.Configuration, _ start: @escaping @Sendable (Node) async throws -> Void) -> Never {
        let starting = Task.detached { await begin(configuration, start) }
        while true {
            switch signals.next() {
            case .command:
                guard let commands else { Log.shared.notice("no commands here", ["signal": "SIGUSR1"]); continue }
                commands.signalled()
            case .hangUp:
                Log.shared.reopenAfterRotation()
                hangUp()
            case .end: end(.runtime)
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                Task.detached {
                    let cutOff = await starting.value.stop()
                    if cutOff > 0 { Log.shared.warning("\(connections) cut off", ["count": "\(cutOff)"]) }
                    end(.success)
                }
            }
        }
    }

    @concurrent private func begin(
        _ configuration: Node.Configuration, _ start: @Sendable (Node) async throws -> Void
    ) async -> Node {
        do {
            let node = try await Node(configuration)
            try await start(node)
            return node
        } catch {
            complain("\(name): \(error)")
            end(.runtime)
        }
    }

    func end(_ code: ExitCode) -> Never {
        atEnd()
        leave(with: code)
    }
}
