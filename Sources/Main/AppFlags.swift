import Omniway
import OmniwayArguments

/// What every app is told by its command line.
struct AppFlags {
    static let tcp = Flag(
        "tcp", .strings, default: [], placeholder: "address",
        help:
            "Where clients connect by TCP: host:port or unix:path, with tls:// before it for TLS. May be repeated. "
            + "Port 0 is any free one.")
    static let webSocket = Flag(
        "ws", .strings, default: [], placeholder: "address",
        help: "Where they connect by WebSocket: host:port/path, with wss:// before it for TLS. May be repeated.")
    static let certificate = Flag(
        "tls-cert", .string, default: "", placeholder: "path",
        help:
            "The certificate of tls:// and wss:// ports, followed by those that signed it; read again when it changes.")
    static let certificateKey = Flag(
        "tls-key", .string, default: "", placeholder: "path", help: "The key of that certificate.")
    static let id = Flag(
        "id", .string, default: "", placeholder: "text",
        help: "Which server of its type it is; by default it draws one.")
    static let frontend = Flag(
        "frontend", .choice, default: Switch.true, help: "Whether clients connect to it; false needs --cluster.")
    static let cluster = Flag(
        "cluster", .boolean, default: false,
        help: "Join a cluster: know its other servers, pass clients' messages on to them, and serve theirs.")
    static let compression = Flag(
        "compression", .choice, default: Switch.true,
        help: "Whether bodies are compressed where that makes them shorter.")
    static let dictionary = Flag(
        "dict", .strings, default: [], placeholder: "route=code,...",
        help: "Routes that go as two bytes instead of their text, both ways. May be repeated.")
    static let configuration = Flag(
        "config", .string, default: "", placeholder: "path",
        help: "A file of JSON or JSON5 with the keys of pitaya; variables such as PITAYA_HEARTBEAT_INTERVAL count more."
    )
    static let loops = Flag(
        "loops", .integer(1...255), default: EventLoops.defaultCount, placeholder: "count",
        help: "Event loops, each with a thread; by default one for each processor.")
    static let admin = Flag(
        "admin", .string, default: "none", placeholder: "address",
        help: "Where the dashboard is, and /healthz, /readyz and /metrics: host:port, unix:path, or none.")

    enum Switch: String, CaseIterable { case `true`, `false` }

    let type: Flag<String>
    let heartbeat: Flag<Duration>
    let serializer: Flag<String>

    /// Their defaults are those of the application.
    init(type: String, _ settings: AppSettings, _ serializers: [any Serializer]) {
        self.type = Flag(
            "type", .string, default: type, placeholder: "text",
            help: "What kind of server it is: the first part of routes.")
        heartbeat = Flag(
            "heartbeat", .duration, default: settings.heartbeat,
            help: "Close clients that are silent for more than two of these; 0 never does.")
        let names = serializers.map(\.name)
        serializer = Flag(
            "serializer", .string, default: names.first ?? "", placeholder: names.joined(separator: "|"),
            help: "How bodies are written.")
    }

    var all: [any AnyFlag] {
        [Self.tcp, Self.webSocket, Self.certificate, Self.certificateKey, type, Self.id, Self.frontend, heartbeat]
            + [Self.cluster] + ClusterFlags.all
            + [Self.compression, serializer, Self.dictionary, Self.configuration, Self.loops, Self.admin] + LogFlags.all
    }
}
