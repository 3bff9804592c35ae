import OmniwayAdmin
import OmniwayApp
import OmniwayCluster
import OmniwayTransport

/// The registry and the bus of a cluster, for one app.
struct ClusterPlace: Sendable {
    private let registry: Registry
    private let bus: NATSBus
    private let prefix: String
    private let loops: EventLoops

    init(_ settings: ClusterSettings, on loops: EventLoops) async throws {
        (self.loops, prefix) = (loops, settings.prefix)
        bus = try NATSBus(try settings.natsSettings())
        registry = try await Registry.open(.etcd(settings.etcd), on: loops.loops[0])
    }

    func join(_ app: App) { app.join(registry: registry, bus: bus) }

    func close() async {
        await bus.drain(on: loops.loops)
        await registry.close()
    }
}

// MARK: What the dashboard shows

extension ClusterPlace {
    func report() async -> AdminReport {
        var report = AdminReport(figures: [("registry", registry.health.text)] + (await busFigures()))
        do {
            let status = try await ClusterStatus.ask(
                registry: registry, bus: bus, prefix: prefix, on: loops.loops[0], within: .seconds(1))
            let keys = try await registry.within(.seconds(1)).list(RegistryBytes(prefix), keysOnly: true).entries
            report.figures.insert(("servers", "\(status.members.count)"), at: 0)
            report.tables = [
                AdminTable(
                    "servers", ["type", "id", "host", "frontend", "version", "sessions", "users", "lease"],
                    status.members.map(\.row)),
                .leases(keys.map(\.lease)) { lease in status.members.first { $0.lease == lease }?.server.id ?? "" },
            ]
        } catch { report.figures.append(("servers", "\(error)")) }
        return report
    }

    private func busFigures() async -> [(name: String, value: String)] {
        let (meters, _) = await loops.snapshot(within: .seconds(1))
        return [
            ("published", "published_total"), ("received", "received_total"), ("subscriptions", "subscriptions"),
            ("requests under way", "requests"), ("lost connections", "losses_total"),
        ].map { name, meter in (name, "\(Int(meters.number("omniway_bus_\(meter)") ?? 0))") }
    }
}

extension AdminTable {
    /// How many keys each lease holds, and whose it is. Those without a lease are left out.
    static func leases(_ leases: [Int64], holder: (Int64) -> String) -> AdminTable {
        var counts: [Int64: Int] = [:]
        for lease in leases where lease != 0 { counts[lease, default: 0] += 1 }
        let rows = counts.keys.sorted().map { lease in
            let name = String(lease, radix: 16)
            return Row(name, [name, holder(lease), "\(counts[lease] ?? 0)"])
        }
        return AdminTable("leases", ["lease", "holder", "keys"], rows)
    }
}

extension RegistryHealth {
    var text: String {
        switch self {
        case .good: "good"
        case .degraded(let error): "\(error)"
        }
    }
}

extension ClusterStatus.Member {
    fileprivate var row: AdminTable.Row {
        let known = [server.type, server.id, server.host, server.isFrontend ? "yes" : "no"]
        let lease = lease == 0 ? "none" : String(lease, radix: 16)
        let said =
            switch answer {
            case .report(let report): [report.version, "\(report.sessions)", "\(report.users)"]
            case .other: ["not ours", "", ""]
            case .silent(let why): ["silent: \(why)", "", ""]
            }
        return AdminTable.Row("\(server.type) \(server.id)", known + said + [lease])
    }
}
