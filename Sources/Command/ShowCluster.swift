import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway cluster status`: which servers a cluster has, and how they are.
enum ShowCluster {
    private static let json = Flag("json", .boolean, default: false, help: "Print the answer as JSON.")

    static let command = Command(
        "cluster", summary: "Shows a cluster of app servers.",
        subcommands: [
            Command(
                "status", summary: "Which servers there are, their versions, leases and sessions.",
                notes: "A server that is written down and silent has gone a short while ago, or stands still.",
                flags: ClusterFlags.all + [json])
        ])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        Task.detached { await ask(call) }
        while true {
            switch signals.next() {
            case .command: break
            case .drain, .end, .hangUp: return .runtime
            }
        }
    }

    @concurrent private static func ask(_ call: Invocation) async {
        Log.shared.level = .error  // The answer says what is wrong.
        do {
            var settings = ClusterSettings()
            try ClusterFlags.apply(call, to: &settings)
            let loop = EventLoop()
            let bus = try NATSBus(try settings.natsSettings())
            let registry = try await Registry.open(.etcd(settings.etcd), on: loop)
            try await bus.ready(within: .seconds(5), on: [loop])
            let status = try await ClusterStatus.ask(registry: registry, bus: bus, prefix: settings.prefix, on: loop)
            print(call[json] ? status.jsonText : status.text)
            leave(with: .success)
        } catch {
            complain("omniway cluster: \(BodyText.harmless("\(error)"))")
            leave(with: error is ClusterFlagError ? .usage : .runtime)
        }
    }
}

extension ClusterStatus {
    /// A line for each server, in columns.
    fileprivate var text: String {
        if members.isEmpty { return "no servers; is the prefix that of the cluster?" }
        let rows = [["type", "id", "host", "clients", "lease", "version", "sessions", "users"]] + members.map(\.row)
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                .trimmingSuffix(" ")
        }.joined(separator: "\n")
    }

    fileprivate var jsonText: String {
        let servers = members.map { member -> JSON in
            var row: JSON.Object = [
                "type": .string(member.server.type), "id": .string(member.server.id),
                "host": .string(member.server.host), "frontend": .bool(member.server.isFrontend),
                "lease": .string(member.leaseText),
            ]
            switch member.answer {
            case .report(let report):
                row["version"] = .string(report.version)
                (row["sessions"], row["users"]) = (JSON(report.sessions), JSON(report.users))
            case .other: row["answers"] = true
            case .silent(let why): row["silent"] = .string(why)
            }
            return .object(row)
        }
        return String(decoding: JSON.Writer(layout: .indented(2)).bytes(of: .array(servers)), as: UTF8.self)
    }
}

extension ClusterStatus.Member {
    fileprivate var leaseText: String { lease == 0 ? "none" : String(lease, radix: 16) }

    fileprivate var row: [String] {
        let known = [server.type, server.id, server.host, server.isFrontend ? "yes" : "no", leaseText]
            .map(BodyText.harmless)
        return switch answer {
        case .report(let report): known + [report.version, "\(report.sessions)", "\(report.users)"]
        case .other: known + ["not ours", "", ""]
        case .silent(let why): known + ["silent: \(why)", "", ""]
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return text
    }
}
