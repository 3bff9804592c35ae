import Omniway
import OmniwayArguments
import OmniwayMain

/// The flags of `omniway gateway`: each under a name of ours and under that of the original gateways.
enum GatewayFlags {
    static let name = Flag(
        "name", .string, default: "omniway",
        help: "What the files <name>.pid, <name>.cmd and <name>.*.prof are called.")
    static let loops = Flag(
        "loops", .integer(1...255), default: EventLoops.defaultCount, placeholder: "count",
        help: "Event loops, each with a thread; by default one for each processor.")
    static let dialect = Flag(
        "dialect", .choice, default: GatewayDialect.v2,
        help: "What peers speak: v1 is fastway until 2016, v2 is fastway since 2017 and uniway.")
    static let reusePort = Flag(
        "reuse-port", .boolean, default: false, aliases: ["ReusePort"],
        help: "Every loop listens on the same port, and the kernel deals connections out.")
    static let maxPacket = Flag(
        "max-packet", .size, default: 512 << 10, aliases: ["MaxPacket", "MaxPacketSize"],
        help: "Most bytes of one packet, behind its length.")
    static let poolType = Flag(
        "mem-pool-type", .choice, default: PoolType.atom, aliases: ["MemPoolType"],
        help: "Accepted for the originals' sake, and chooses nothing: each loop has one pool that needs no locks.")
    static let poolFactor = Flag(
        "mem-pool-factor", .integer(2...1024), default: PoolLimits().factor, aliases: ["MemPoolFactor"],
        help: "How many times larger each size of pooled block is than the one before.")
    static let poolMinChunk = Flag(
        "mem-pool-min-chunk", .integer(16...1 << 20), default: PoolLimits().smallest, placeholder: "bytes",
        aliases: ["MemPoolMinChunk"], help: "Bytes of the smallest pooled block.")
    static let poolMaxChunk = Flag(
        "mem-pool-max-chunk", .size, default: PoolLimits().largest, aliases: ["MemPoolMaxChunk"],
        help: "Bytes of the largest pooled block; larger ones come from the system and go back there.")
    static let poolPageSize = Flag(
        "mem-pool-page-size", .size, default: PoolLimits().keptPerSize, aliases: ["MemPoolPageSize"],
        help: "Most free bytes that each loop keeps of each size of block.")

    enum PoolType: String, CaseIterable { case sync, atom, chan }

    static let certificate = Flag(
        "tls-cert", .string, default: "", placeholder: "path",
        help:
            "The certificate of tls:// and wss:// ports, followed by those that signed it; read again when it changes.")
    static let certificateKey = Flag(
        "tls-key", .string, default: "", placeholder: "path", help: "The key of that certificate.")
    static let origins = Flag(
        "origin", .strings, default: [],
        help:
            "A page that may use ws:// and wss:// ports, such as https://game.example; may be repeated. By default all."
    )
    static let admin = Flag(
        "admin-addr", .string, default: "none", placeholder: "address",
        help: "Where the dashboard is, and /healthz, /readyz and /metrics: host:port, unix:path, or none.")
    static let drain = Flag(
        "drain-timeout", .duration, default: .seconds(10),
        help: "How long SIGTERM waits for virtual connections to end.")

    static let client = GatewaySideFlags(.client)
    static let server = GatewaySideFlags(.server)

    static let maxConnections = Flag(
        "client-max-conn", .integer(0...Int.max), default: 16, placeholder: "count", aliases: ["ClientMaxConn"],
        help: "Virtual connections after which a client's dials are refused; 0 sets no limit.")
    static let key = Flag(
        "server-auth-key", .string, default: "", aliases: ["ServerAuthKey", "ServerAuthPassword"],
        help: "The key that servers must know. Other users of this machine see it; --server-auth-key-file hides it.")
    static let keyFile = Flag(
        "server-auth-key-file", .string, default: "", placeholder: "path",
        help:
            "A file with the key on its first line, and on the second one that is as good, for a change of keys."
    )
    static let loginTimeout = Flag(
        "server-auth-timeout", .durationOrSeconds, default: .seconds(5), aliases: ["ServerAuthTimeout"],
        help: "How long a server may take to prove that it knows the key. With --dialect v1 it is 3s unless given.")
    static let duplicates = Flag(
        "duplicate-servers", .choice, default: GatewaySettings.DuplicateServers.replace,
        help: "Whether a server with an id that is taken gets its new dials, or is rejected.")

    /// What concerns the gateway, and not the process that it is in.
    static let part: [any AnyFlag] =
        [dialect, reusePort, maxPacket] + client.all + [maxConnections] + server.all
        + [key, keyFile, loginTimeout, duplicates, certificate, certificateKey, origins]
    static let all: [any AnyFlag] =
        [name, loops, poolType, poolFactor, poolMinChunk, poolMaxChunk, poolPageSize] + part + [admin, drain]
        + LogFlags.all
}

/// What clients and servers have alike, with their own defaults.
struct GatewaySideFlags {
    let address: Flag<[String]>
    let dialect: Flag<String>
    let bufferSize: Flag<Int>
    let sendQueue: Flag<Int>
    let queueBytes: Flag<Int>
    let idleTimeout: Flag<Duration>
    let pingInterval: Flag<Duration>
    let perAddress: Flag<Int>
    let snet: Flag<Bool>
    let snetDialect: Flag<SnetDialect>
    let snetEncrypt: Flag<Bool>
    let snetBuffer: Flag<Int>
    let snetInitTimeout: Flag<Duration>
    let snetWaitTimeout: Flag<Duration>

    init(_ side: GatewaySide) {
        let (word, old) = side == .client ? ("client", "Client") : ("server", "Server")
        let standard = side == .client ? GatewaySettings().clients : GatewaySettings().servers
        address = Flag(
            "\(word)-addr", .strings, default: [":0"], placeholder: "address", aliases: ["\(old)Addr"],
            help:
                "Where \(word)s connect: host:port, unix:path, or tls://, ws:// or wss:// before them; "
                + "?dialect=v1 behind it sets this port's. May be repeated. Port 0 is any free one.")
        dialect = Flag(
            "\(word)-dialect", .string, default: "", placeholder: "v1|v2", help: "--dialect for \(word)s only.")
        bufferSize = Flag(
            "\(word)-buffer-size", .size, default: 128 << 10, aliases: ["\(old)BufferSize"],
            help: "Most bytes that one turn reads from a \(word), so that others have their turn.")
        sendQueue = Flag(
            "\(word)-send-queue", .integer(0...Int(UInt32.max)), default: standard.mostMessages, placeholder: "count",
            aliases: ["\(old)SendChanSize"],
            help: "Most messages that wait for one \(word) whose connection takes no more; 0 counts none.")
        queueBytes = Flag(
            "\(word)-queue-bytes", .size, default: standard.most,
            help: "Most bytes that wait for one \(word).")
        idleTimeout = Flag(
            "\(word)-idle-timeout", .duration, default: standard.idleLimit, aliases: ["\(old)IdleTimeout"],
            help: "Close a v2 \(word) from which no whole packet comes for so long; 0 never does.")
        pingInterval = Flag(
            "\(word)-ping-interval", .duration, default: standard.pingInterval, aliases: ["\(old)PingInterval"],
            help: "Ping a v1 \(word) that was silent for so long, and close it if it does not answer; 0 never does.")
        perAddress = Flag(
            "\(word)-max-per-address", .integer(0...Int.max), default: 0, placeholder: "count",
            help: "Most physical connections of \(word)s from one address; 0 sets no limit.")
        snet = Flag(
            "\(word)-snet", .boolean, default: false, aliases: ["\(old)SnetEnable"],
            help: "\(old)s come with snet: their streams survive connections that are cut.")
        snetDialect = Flag(
            "\(word)-snet-dialect", .choice, default: SnetDialect.b,
            help: "a is unicok/snet, which uniway has; b is funny/snet, which fastway has.")
        snetEncrypt = Flag(
            "\(word)-snet-encrypt", .boolean, default: false, aliases: ["\(old)SnetEncrypt"],
            help: "Encrypt those streams with RC4, as \(word)s of old expect. It protects nothing; use tls:// for that."
        )
        snetBuffer = Flag(
            "\(word)-snet-buffer", .size, default: side == .client ? 32 << 10 : 1 << 20, aliases: ["\(old)SnetBuffer"],
            help: "Bytes of each stream that are kept to be sent again.")
        snetInitTimeout = Flag(
            "\(word)-snet-init-timeout", .duration, default: .seconds(10), aliases: ["\(old)SnetInitTimeout"],
            help: "How long a handshake may take.")
        snetWaitTimeout = Flag(
            "\(word)-snet-wait-timeout", .duration, default: .seconds(60), aliases: ["\(old)SnetWaitTimeout"],
            help: "How long a stream without a connection waits for another one.")
    }

    var all: [any AnyFlag] {
        [address, dialect, bufferSize, sendQueue, queueBytes, idleTimeout, pingInterval, perAddress]
            + [snet, snetDialect, snetEncrypt, snetBuffer, snetInitTimeout, snetWaitTimeout]
    }
}
