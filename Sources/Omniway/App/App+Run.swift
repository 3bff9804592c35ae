import FoundationEssentials
import Glibc
import OmniwayAdmin
public import OmniwayApp
import OmniwayTelemetry
public import OmniwayTransport

extension App {
    /// Starts, serves until the process is told to end (SIGTERM, Ctrl-C), lets what is under way come to its end, and
    /// stops. A second signal ends the process at once. At `admin` operators are answered. The cluster that it may join
    /// is where `settings.cluster` says.
    public func run(
        loops count: Int = EventLoops.defaultCount, admin address: SocketAddress? = nil, joinsCluster: Bool = false
    ) async throws {
        let events = ProcessSignals().events
        let environment = ProcessInfo.processInfo.environment
        ListeningSockets.shared.takeFromSupervisor(environment)
        let service = Supervisor(environment)
        var configuration = Node.Configuration()
        (configuration.loops, configuration.admin) = (count, address)
        configuration.drainLimit = settings.drainLimit
        let node = try await Node(configuration)
        _ = try await node.start { loops in try await AppPart(self, joinsCluster: joinsCluster, on: loops) }
        await node.ready()
        service.ready()
        let watch = Task.detached { await service.watch(node.loops) }
        for port in await node.ports {
            if port.name == "admin" {
                Log.shared.notice("admin listens", ["url": port.address])
            } else {
                Log.shared.notice("app listens", ["type": type, "address": port.address])
            }
        }
        await node.announceDashboard()
        await Self.serve(until: events)
        service.stopping()
        let hurry = Task.detached { for await event in events { if case .end = event { exit(1) } } }
        let cutOff = await node.stop()
        if cutOff > 0 { Log.shared.warning("messages cut off", ["count": "\(cutOff)"]) }
        hurry.cancel()
        watch.cancel()
        Log.shared.flush()
    }

    private static func serve(until events: AsyncStream<ProcessSignals.Event>) async {
        for await event in events {
            switch event {
            case .drain(let signal): return Log.shared.notice("stopping", ["signal": signal])
            case .hangUp: Log.shared.reopenAfterRotation()
            case .command, .end: break
            }
        }
    }
}

extension Log {
    /// Opens the file again, which somebody has moved away; without one nothing happens.
    package func reopenAfterRotation() {
        do throws(LogFileError) {
            try reopen()
        } catch { self.error("log file not opened again", ["error": "\(error)"]) }
    }
}
