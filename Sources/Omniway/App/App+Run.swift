import Glibc
import OmniwayAdmin
public import OmniwayApp
import OmniwayCluster
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
        let loops = EventLoops(count: count)
        var admin: Admin?
        var place: OpenedCluster?
        do {
            if let address { admin = try await Admin(at: address, of: loops, version: Version.current) }
            if joinsCluster {
                place = try await OpenedCluster(settings.cluster, on: loops)
                place?.join(self)
            }
            try await start(on: loops)
        } catch {
            await place?.close()
            await loops.shutdown()
            await admin?.stop()
            throw error
        }
        admin?.readiness.state = .ready
        if let admin { Log.shared.notice("admin listens", ["address": "\(admin.address)"]) }
        for address in addresses { Log.shared.notice("app listens", ["type": type, "address": "\(address)"]) }
        await Self.serve(until: events)
        admin?.readiness.state = .draining
        let hurry = Task.detached { for await event in events { if case .end = event { exit(1) } } }
        let cutOff = await stop()
        if cutOff > 0 { Log.shared.warning("messages cut off", ["count": "\(cutOff)"]) }
        await place?.close()
        await loops.shutdown()
        await admin?.stop()
        hurry.cancel()
        Log.shared.flush()
    }

    private static func serve(until events: AsyncStream<ProcessSignals.Event>) async {
        for await event in events {
            switch event {
            case .drain(let signal): return Log.shared.notice("stopping", ["signal": signal])
            case .hangUp: reopenLog()
            case .command, .end: break
            }
        }
    }

    private static func reopenLog() {
        do throws(LogFileError) {
            try Log.shared.reopen()
        } catch { Log.shared.error("log file not opened again", ["error": "\(error)"]) }
    }
}

/// The registry and the bus of a cluster, for one app.
private struct OpenedCluster {
    private let registry: Registry
    private let bus: NATSBus
    private let loops: EventLoops

    init(_ settings: ClusterSettings, on loops: EventLoops) async throws {
        self.loops = loops
        bus = try NATSBus(try NATSSettings(settings.nats))
        registry = try await Registry.open(.etcd(settings.etcd), on: loops.loops[0])
    }

    func join(_ app: App) { app.join(registry: registry, bus: bus) }

    func close() async {
        await bus.drain(on: loops.loops)
        await registry.close()
    }
}
