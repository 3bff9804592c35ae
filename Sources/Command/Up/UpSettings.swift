import Omniway
import OmniwayArguments
import OmniwayMain

/// What `omniway up` can be told: in its file, by variables, and by flags.
enum UpSettings {
    static let parts = Flag(
        "parts", .strings, default: ["gateway", "room", "tunnel", "mesh"], placeholder: "part",
        help: "What the node has: gateway, room, tunnel, mesh, echo.")
    static let data = Flag(
        "data", .string, default: "", placeholder: "path",
        help: "The folder of what outlives the process; by default $OMNIWAY_DATA or ~/.omniway.")
    static let loops = Flag(
        "loops", .integer(1...255), default: EventLoops.defaultCount, placeholder: "count",
        help: "Event loops, each with a thread; by default one for each processor.")
    static let drain = Flag(
        "drain-timeout", .duration, default: .seconds(10),
        help: "How long SIGTERM lets what is under way come to its end.")
    static let admin = Flag(
        "admin-addr", .string, default: "127.0.0.1:9180", placeholder: "address",
        help: "Where the dashboard is, and /healthz, /readyz and /metrics: host:port, unix:path, or none.")
    static let adminKey = Flag(
        "admin-key-file", .string, default: "", placeholder: "path",
        help:
            "A file with the secret of operators of the dashboard on its first line, and on the second that of those "
            + "who only look. Without it each start prints a link that logs in once.")

    enum Part: String, CaseIterable { case gateway, room, tunnel, mesh, echo }

    enum Room {
        static let listen = Flag(
            "listen", .string, default: "127.0.0.1:9182", placeholder: "address",
            help: "Where pages and clients of pomelo and pitaya connect by WebSocket: host:port.")
        static let page = Flag(
            "page", .string, default: "127.0.0.1:9181", placeholder: "address",
            help: "Where browsers get the page: host:port.")
        static let server = Flag(
            "server-id", .integer(0...Int(UInt32.max)), default: 1, placeholder: "number",
            help: "Under which number clients of the gateway reach it.")
    }

    enum Mesh {
        static let name = Flag(
            "name", .string, default: Host.name.isEmpty ? "omniway" : Host.name, help: "What the peer calls itself.")
        static let listen = Flag(
            "listen", .string, default: "127.0.0.1:11900", placeholder: "address",
            help: "Where other peers connect: host:port.")
        static let mode = Flag(
            "mode", .choice, default: MeshPart.Mode.auto,
            help: "auto is sealed and finds out who speaks as the original; long and short speak only as that.")
        static let join = Flag(
            "join", .strings, default: [], placeholder: "address", help: "Peers to know from the start: host:port.")
    }

    enum Echo {
        static let listen = Flag(
            "listen", .string, default: "127.0.0.1:0", placeholder: "address",
            help: "Where to echo what is received: host:port in digits, or unix:path. Port 0 is any free one.")
        static let idle = Flag(
            "idle-timeout", .duration, default: EchoPart.Configuration().idleLimit,
            help: "Close a connection on which nothing went either way for so long; 0 never does.")
        static let connections = Flag(
            "max-connections", .integer(1...1_000_000), default: EchoPart.Configuration().limits.total,
            placeholder: "count", help: "Most connections in all.")
        static let perAddress = Flag(
            "max-connections-per-address", .integer(1...1_000_000),
            default: EchoPart.Configuration().limits.perAddress, placeholder: "count",
            help: "Most connections from one address.")
    }

    /// What also stands on the command line.
    static let process: [any AnyFlag] = [parts, data, loops, drain, admin, adminKey]

    static let all = Settings(
        prefix: "OMNIWAY",
        [
            SettingsSection("", flags: process),
            SettingsSection("log", summary: "What is logged, and where.", flags: LogFlags.all),
            SettingsSection(
                "gateway", summary: "Joins clients and servers by virtual connections; see docs/gateway.md.",
                flags: GatewayFlags.part,
                defaults: ["client-addr": ["127.0.0.1:10010"], "server-addr": ["127.0.0.1:10020"]]),
            SettingsSection(
                "room", summary: "The chat of the examples: a server behind the gateway, and a page.",
                flags: [Room.listen, Room.page, Room.server]),
            SettingsSection(
                "tunnel", summary: "The server of a tunnel; see docs/tunnel.md.", flags: TunnelNodeFlags.part,
                defaults: ["listen": ["127.0.0.1:\(TunnelNodeAddress.usualPort)"]]),
            SettingsSection(
                "mesh", summary: "A peer of a mesh; see docs/mesh.md.",
                flags: [Mesh.name, Mesh.listen, MeshFlags.announce, Mesh.mode, Mesh.join, MeshFlags.groupSecret]
                    + [MeshFlags.members, MeshFlags.discover]),
            SettingsSection(
                "echo", summary: "Sends back what it receives, to see that a node lives.",
                flags: [Echo.listen, Echo.idle, Echo.connections, Echo.perAddress]),
        ])

    /// What nobody is to read in a log or an archive.
    static func isSecret(_ path: String) -> Bool {
        let key = path.split(separator: ".").last?.lowercased() ?? ""
        return ["key", "secret", "password", "code", "token"].contains { key.hasSuffix($0) }
    }

    /// What takes effect when the file changes while the node runs. Certificates do by themselves.
    static let live: Set<String> = ["log.level", "log.format"]
}
