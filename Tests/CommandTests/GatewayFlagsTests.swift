import Omniway
import OmniwayArguments
import OmniwayTesting
import Testing

@testable import OmniwayCommand
@testable import OmniwayGateway
@testable import OmniwayTransport

/// What the flags say of the gateway and of its process.
@dynamicMemberLookup struct ReadFlags: Sendable {
    let part: GatewayPart.Configuration
    let node: Node.Configuration
    subscript<Value>(dynamicMember path: KeyPath<GatewayPart.Configuration, Value>) -> Value { part[keyPath: path] }
    subscript<Value>(dynamicMember path: KeyPath<Node.Configuration, Value>) -> Value { node[keyPath: path] }
}

/// A parameter of the original gateways, with what it sets, said as a text.
struct OriginalFlag: Sendable, CustomStringConvertible {
    let name: String
    /// The default that the document of uniway gives, or for what only v1 has, its code.
    let documented: String
    /// Another value, and what it makes of the configuration.
    let other: String
    var meaning: String
    var isBoolean = false
    /// What else must be given for the flag to matter.
    var beside: [String] = []
    let read: @Sendable (ReadFlags) -> String

    var description: String { name }

    init(
        _ name: String, _ documented: String, _ other: String, means meaning: String? = nil, beside: [String] = [],
        _ read: @escaping @Sendable (ReadFlags) -> String
    ) {
        (self.name, self.documented, self.other, self.beside, self.read) = (name, documented, other, beside, read)
        self.meaning = meaning ?? other
        isBoolean = documented == "false"
    }

    /// Each way to write it in Go.
    var spellings: [[String]] {
        let values = [["-\(name)=\(other)"], ["--\(name)=\(other)"]]
        return values + (isBoolean ? [["-\(name)"], ["--\(name)"]] : [["-\(name)", other], ["--\(name)", other]])
    }

    static let all: [OriginalFlag] =
        common + side("Client", \.clients, \.gateway.clients) + side("Server", \.servers, \.gateway.servers) + v1

    private static let common: [OriginalFlag] = [
        OriginalFlag("ReusePort", "false", "true") { "\($0.reusesPorts)" },
        OriginalFlag("MaxPacket", "512K", "1000") { size($0.gateway.maxPacketSize) },
        OriginalFlag("MemPoolFactor", "2", "3") { "\($0.loopLimits.pool.factor)" },
        OriginalFlag("MemPoolMinChunk", "64", "128") { size($0.loopLimits.pool.smallest) },
        OriginalFlag("MemPoolMaxChunk", "64K", "131072", means: "128K") { size($0.loopLimits.pool.largest) },
        OriginalFlag("MemPoolPageSize", "1M", "2097152", means: "2M") { size($0.loopLimits.pool.keptPerSize) },
        OriginalFlag("ClientMaxConn", "16", "17") { "\($0.gateway.connectionsPerClient)" },
        OriginalFlag("ServerAuthPassword", "", "a key") { keys($0) },
        OriginalFlag("ServerAuthKey", "", "a key") { keys($0) },
    ]

    private static let v1: [OriginalFlag] = [
        OriginalFlag("MaxPacketSize", "512K", "1000") { size($0.gateway.maxPacketSize) },
        OriginalFlag("ClientPingInterval", "30.0s", "1m30s", means: "90.0s") { time($0.gateway.clients.pingInterval) },
        OriginalFlag("ServerPingInterval", "30.0s", "1m30s", means: "90.0s") { time($0.gateway.servers.pingInterval) },
        OriginalFlag("ServerAuthTimeout", "3.0s", "7", means: "7.0s", beside: ["--dialect", "v1"]) {
            time($0.gateway.loginTimeout)
        },
    ]

    private static func side(
        _ word: String, _ side: any KeyPath<GatewayPart.Configuration, GatewayPart.Configuration.Side> & Sendable,
        _ settings: any KeyPath<GatewayPart.Configuration, GatewaySideSettings> & Sendable
    ) -> [OriginalFlag] {
        let snet = ["-\(word)SnetEnable"]
        return [
            OriginalFlag("\(word)Addr", ":0", "127.0.0.1:10010") { "\($0.part[keyPath: side].ports.map(\.address))" }
                .listed,
            OriginalFlag("\(word)BufferSize", word == "Client" ? "2K" : "64K", "3000") {
                size($0.part[keyPath: settings].queue(.client, maxPacketSize: 100).perTurn)
            },
            OriginalFlag("\(word)IdleTimeout", "30.0s", "1m30s", means: "90.0s") {
                time($0.part[keyPath: settings].idleLimit)
            },
            OriginalFlag("\(word)SendChanSize", word == "Client" ? "1000" : "100000", "7") {
                "\($0.part[keyPath: settings].mostMessages)"
            },
            OriginalFlag("\(word)SnetEnable", "false", "true") { "\($0.part[keyPath: side].snet != nil)" },
            OriginalFlag("\(word)SnetEncrypt", "false", "true", beside: snet) {
                "\($0.part[keyPath: side].snet?.settings.encrypts ?? false)"
            },
            OriginalFlag("\(word)SnetBuffer", word == "Client" ? "32K" : "1M", "3000", beside: snet) {
                size($0.part[keyPath: side].snet?.settings.ring ?? -1)
            },
            OriginalFlag("\(word)SnetInitTimeout", "10.0s", "1m30s", means: "90.0s", beside: snet) {
                time($0.part[keyPath: side].snet?.handshakes.deadline ?? .zero)
            },
            OriginalFlag("\(word)SnetWaitTimeout", "60.0s", "1m30s", means: "90.0s", beside: snet) {
                time($0.part[keyPath: side].snet?.settings.waitLimit ?? .zero)
            },
        ]
    }

    /// The same, for what is a list here.
    private var listed: OriginalFlag {
        OriginalFlag(name, "[\"\(documented)\"]", other, means: "[\"\(other)\"]", read)
    }

    private static func keys(_ configuration: ReadFlags) -> String {
        configuration.gateway.keys.map(\.revealed).joined(separator: "|")
    }
    private static func time(_ duration: Duration) -> String { "\(duration / .seconds(1))s" }
    private static func size(_ bytes: Int) -> String { ValueKind<Int>.size.format(bytes) }
}

/// What `omniway gateway` makes of its words.
func gatewayConfiguration(_ words: [String]) throws -> ReadFlags {
    guard case .run(let call) = try RunGateway.command.parse(words) else { throw NoCall() }
    return ReadFlags(part: try GatewayPart.Configuration(call), node: try GatewayFlags.node(call))
}

private struct NoCall: Error {}

@Suite struct GatewayFlagsTests {
    /// Defaults that are not the document's: ours, and why.
    private static let deviations: [String: (ours: String, why: String)] = [
        "ServerBufferSize": ("128K", "what one turn reads: 64K cost a third more for messages of 16 KiB"),
        "ClientBufferSize": ("128K", "no connection has a buffer; it is the most that one turn reads"),
        "MemPoolMinChunk": ("4K", "the pool is our own: its blocks hold queues, not packets"),
        "MemPoolMaxChunk": ("16M", "the pool is our own: nothing is allocated before it is needed"),
        "MemPoolPageSize": ("64M", "the pool is our own: it is what is kept at most, not what is taken at the start"),
    ]

    @Test(arguments: OriginalFlag.all)
    func `a flag of the originals is read as Go reads it, has its default, and does something`(
        _ flag: OriginalFlag
    ) throws {
        let standard = flag.read(try gatewayConfiguration(flag.beside))
        #expect(standard == Self.deviations[flag.name]?.ours ?? flag.documented)
        #expect(standard != flag.meaning)
        for spelling in flag.spellings {
            #expect(flag.read(try gatewayConfiguration(flag.beside + spelling)) == flag.meaning, "\(spelling)")
        }
        if flag.isBoolean {
            #expect(flag.read(try gatewayConfiguration(flag.beside + ["-\(flag.name)=false"])) == standard)
        }
    }

    @Test func `the deviations are all that deviate, and no flag of the document is missing`() throws {
        for name in Self.deviations.keys {
            let flag = try #require(OriginalFlag.all.first { $0.name == name })
            #expect(flag.read(try gatewayConfiguration([])) != flag.documented, "\(name) deviates no more")
        }
        let documented = """
            ReusePort MaxPacket MemPoolType MemPoolFactor MemPoolMaxChunk MemPoolMinChunk MemPoolPageSize
            ClientAddr ClientMaxConn ClientBufferSize ClientIdleTimeout ClientSendChanSize ClientSnetEnable
            ClientSnetEncrypt ClientSnetBuffer ClientSnetInitTimeout ClientSnetWaitTimeout
            ServerAddr ServerAuthPassword ServerBufferSize ServerIdleTimeout ServerSendChanSize ServerSnetEnable
            ServerSnetEncrypt ServerSnetBuffer ServerSnetInitTimeout ServerSnetWaitTimeout
            MaxPacketSize ClientPingInterval ServerPingInterval ServerAuthKey ServerAuthTimeout
            """
        let names = Set(documented.split { $0.isWhitespace }.map(String.init))
        #expect(names == Set(OriginalFlag.all.map(\.name) + ["MemPoolType"]))
    }

    @Test func `the kind of pool is read, and chooses nothing`() throws {
        let standard = try gatewayConfiguration([]).loopLimits.pool
        for kind in ["sync", "atom", "chan"] {
            #expect(try gatewayConfiguration(["-MemPoolType", kind]).loopLimits.pool == standard)
        }
        #expect(throws: UsageError.self) { try gatewayConfiguration(["-MemPoolType", "slab"]) }
    }

    @Test func `all flags of the document fit into one command line, with its own defaults`() throws {
        var words = ["-MemPoolType=atom"]
        let onlyOnce = ["ServerAuthKey", "MaxPacketSize", "ServerAuthTimeout"]
        for flag in OriginalFlag.all where !onlyOnce.contains(flag.name) {
            words += ["-\(flag.name)=\(flag.name.hasSuffix("Addr") ? ":0" : flag.documented)"]
        }
        words = words.map { $0.replacing("SnetEnable=false", with: "SnetEnable=true") }
        let configuration = try gatewayConfiguration(words)
        for flag in OriginalFlag.all where !onlyOnce.contains(flag.name) && !flag.name.hasSuffix("SnetEnable") {
            #expect(flag.read(configuration) == flag.documented, "\(flag.name)")
        }
    }

    @Test func `our own flags reach the configuration`() throws {
        let words = """
            --loops 3 --dialect v1 --server-dialect v2 --client-queue-bytes 3M --server-queue-bytes 5M
            --client-max-per-address 4 --server-max-per-address 5 --client-snet --client-snet-dialect a --server-snet
            --origin https://a.example --origin https://b.example --duplicate-servers reject
            --admin-addr 127.0.0.1:0 --tls-cert c.pem --tls-key k.pem
            --client-addr ws://:1/path?dialect=v2 --client-addr tls://:2
            """
        let configuration = try gatewayConfiguration(words.split { $0.isWhitespace }.map(String.init))
        #expect(configuration.loops == 3)
        #expect(configuration.clients.dialect == .v1 && configuration.servers.dialect == .v2)
        #expect(configuration.gateway.clients.most == 3 << 20 && configuration.gateway.servers.most == 5 << 20)
        #expect(configuration.clients.limits.perAddress == 4 && configuration.servers.limits.perAddress == 5)
        #expect(
            configuration.clients.snet?.settings.dialect == .a && configuration.servers.snet?.settings.dialect == .b)
        #expect(configuration.origins == ["https://a.example", "https://b.example"])
        #expect(configuration.gateway.duplicateServers == .reject)
        #expect(configuration.admin == .loopback())
        #expect(configuration.identity != nil)
        #expect(configuration.clients.ports.map(\.carrier) == [.ws, .tls])
        #expect(configuration.clients.ports.map(\.dialect) == [.v2, nil])
        #expect(try gatewayConfiguration([]).gateway.loginTimeout == .seconds(5))
    }

    @Test(
        arguments: [
            (["-MaxPacket", "2G"], "--max-packet 2147483648 is not between"),
            (["-MaxPacket", "9223372036854775807"], "--max-packet"),
            (["--client-queue-bytes", "2G"], "--client-queue-bytes of"),
            (["--server-queue-bytes", "2G"], "--server-queue-bytes of"),
            (["-ClientSnetEnable", "-ClientSnetBuffer", "2G"], "a snet buffer of"),
            (["-MemPoolMinChunk", "4096", "-MemPoolMaxChunk", "2048"], "is above --mem-pool-max-chunk"),
            (["--client-dialect", "v3"], "there is no dialect v3"),
            (["--tls-cert", "c.pem"], "belong together"),
            (["--admin-addr", "here"], "--admin-addr here is not an address"),
            (["-ClientAddr", "udp://:1"], "udp://"),
        ] as [([String], String)])
    func `what cannot be is refused before anything listens`(_ words: [String], _ says: String) throws {
        let error = #expect(throws: GatewayFlagError.self) { try gatewayConfiguration(words) }
        #expect("\(try #require(error))".contains(says))
    }

    @Test func `a largest block below our smallest is no mistake of who knows only the originals`() throws {
        let pool = try gatewayConfiguration(["-MemPoolMaxChunk", "2048"]).loopLimits.pool
        #expect(pool.smallest == 2048 && pool.largest == 2048 && pool.sizes == [2048])
    }

    @Test func `a key file has one key or two, and none that is empty`() throws {
        let folder = try TemporaryFolder()
        func keys(_ text: String) throws -> [String] {
            try folder.write("keys", text)
            return try gatewayConfiguration(["--server-auth-key-file", folder.file("keys")]).gateway.keys.map(
                \.revealed)
        }
        #expect(try keys("new") == ["new"])
        #expect(try keys("new\n\n") == ["new"])
        #expect(try keys("new\nold\nolder\n") == ["new", "old"])
        for text in ["", "\n", "\nold\n", "new\n\nolder\n"] {
            let error = #expect(throws: GatewayFlagError.self) { try keys(text) }
            #expect("\(try #require(error))".contains("write one key on each line"), "\(text.debugDescription)")
        }
        let error = #expect(throws: GatewayFlagError.self) {
            try gatewayConfiguration(["--server-auth-key-file", folder.file("none")])
        }
        #expect("\(try #require(error))".hasPrefix("--server-auth-key-file: cannot read \(folder.file("none"))"))
    }
}
