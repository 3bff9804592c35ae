import FoundationEssentials
import OmniwayCluster
import OmniwayTelemetry
import OmniwayWire
import Testing

@testable import OmniwayApp

@Suite struct PitayaConfigurationTests {
    private func settings(_ text: String, _ environment: [String: String] = [:]) throws -> AppSettings {
        var configuration = PitayaConfiguration()
        try configuration.read(Array(text.utf8), of: "config.json5")
        configuration.read(environment: environment)
        return try AppSettings(pitaya: configuration)
    }

    private func fault(_ text: String, _ environment: [String: String] = [:]) -> String {
        do {
            _ = try settings(text, environment)
            return "none"
        } catch { return "\(error)" }
    }

    @Test(arguments: [
        #"{pitaya: {heartbeat: {interval: "1m30s"}}}"#, #"{"pitaya.heartbeat.interval": "90s"}"#,
        #"{"Pitaya": {"Heartbeat.Interval": "1.5m"}}"#,
        #"{other: {heartbeat: 5}, "pitaya.heartbeat": {interval: "90000ms"}}"#,
    ]) func `a key may be within objects, have points, or both, in any case`(_ text: String) throws {
        #expect(try settings(text).heartbeat == .seconds(90))
    }

    @Test func `the environment counts more than the file, unless it is empty`() throws {
        let file = #"{pitaya: {heartbeat: {interval: "10s"}}}"#
        #expect(try settings(file, ["PITAYA_HEARTBEAT_INTERVAL": "20s"]).heartbeat == .seconds(20))
        #expect(try settings(file, ["PITAYA_HEARTBEAT_INTERVAL": ""]).heartbeat == .seconds(10))
    }

    @Test func `compression is switched off and on, and keeps its threshold`() throws {
        #expect(try settings(#"{"pitaya.handler.messages.compression": false}"#).compression == .off)
        #expect(try settings("{}", ["PITAYA_HANDLER_MESSAGES_COMPRESSION": "0"]).compression == .off)
        var own = AppSettings()
        own.compression = .above(7)
        var configuration = PitayaConfiguration()
        configuration.read(environment: ["PITAYA_HANDLER_MESSAGES_COMPRESSION": "T"])
        #expect(try AppSettings(pitaya: configuration, over: own).compression == .above(7))
        own.compression = .off
        #expect(try AppSettings(pitaya: configuration, over: own).compression == .on)
    }

    @Test func `the parts of the rate limit come together`() throws {
        #expect(try settings("{}").rateLimit == nil)
        let rate = "pitaya: {conn: {ratelimiting: {limit: 5, interval: '2s'"
        #expect(try settings("{\(rate)}}}}").rateLimit == AppSettings.RateLimit(5, per: .seconds(2)))
        #expect(try settings("{\(rate), forcedisable: 1}}}}").rateLimit == nil)
        #expect(try settings(#"{"pitaya.conn.ratelimiting.limit": "0x10"}"#).rateLimit == AppSettings.RateLimit(16))
    }

    @Test func `sessions are let go as the keys say, when they are let go at all`() throws {
        let times = "timeout: '1h', period: '2s'"
        #expect(try settings("{'pitaya.session.drain': {\(times)}}").drain == nil)
        var drain = AppSettings.SessionDrain()
        #expect(try settings("{'pitaya.session.drain.enabled': true}").drain == drain)
        (drain.limit, drain.period) = (.seconds(3600), .seconds(2))
        #expect(try settings("{'pitaya.session.drain': {enabled: true, \(times)}}").drain == drain)
        #expect(fault("{'pitaya.session.drain.period': '0'}").hasSuffix("write a time above zero"))
    }

    @Test func `labels of meters come from the file and from variables`() throws {
        let labels = try settings("{'pitaya.metrics': {game: 'chess', constlabels: {zone: 'eu'}}}").meterLabels
        #expect(labels == ["game": "chess", "zone": "eu"])
        let variable = ["PITAYA_METRICS_CONSTLABELS": #"{"zone": "us"}"#]
        #expect(try settings("{}", variable).meterLabels == ["zone": "us"])
        #expect(fault("{'pitaya.metrics.constlabels': {zone: 1}}").contains("write an object of texts"))
    }

    @Test func `the serializer has a number`() throws {
        for (value, name) in [("1", "json"), ("2", "protobuf")] {
            var configuration = PitayaConfiguration()
            configuration.read(environment: ["PITAYA_SERIALIZERTYPE": value])
            #expect(try configuration.serializer() == name)
        }
        var configuration = PitayaConfiguration()
        #expect(try configuration.serializer() == nil)
        configuration.read(environment: ["PITAYA_SERIALIZERTYPE": "3"])
        #expect(
            throws: PitayaConfigurationError([
                "PITAYA_SERIALIZERTYPE: pitaya.serializertype is \"3\"; write a whole number from 1 to 2"
            ])
        ) { try configuration.serializer() }
    }

    @Test(arguments: [
        (
            #"{pitaya: {heartbeat: {interval: 30}}}"#,
            "config.json5:1:23: pitaya.heartbeat.interval is 30; write a time with its unit, such as \"30s\", "
                + "\"1m30s\" or \"250ms\""
        ),
        (
            #"{"pitaya.handler.messages.compression": "yes"}"#,
            "config.json5:1:2: pitaya.handler.messages.compression is \"yes\"; write true or false"
        ),
        (
            #"{"pitaya.conn.ratelimiting.limit": 0}"#,
            "config.json5:1:2: pitaya.conn.ratelimiting.limit is 0; write a whole number from 1 to 1048576"
        ),
        (
            #"{"pitaya.conn.ratelimiting.interval": "0"}"#,
            "config.json5:1:2: pitaya.conn.ratelimiting.interval is \"0\"; write a time above zero"
        ),
        ("[]", #"config.json5: expected an object; write { "pitaya": { ... } }"#),
        (
            #"{"pitaya.heartbeat.interval": "1s", pitaya: {heartbeat: {interval: "1s"}}}"#,
            "config.json5:1:58: pitaya.heartbeat.interval stands here again, first at 1:2"
        ),
        ("{", "config.json5:1:2: expected a key"),
    ]) func `what cannot be says where it stands, what is there and what is expected`(_ text: String, _ says: String) {
        #expect(fault(text).hasPrefix(says), "\(fault(text))")
    }

    @Test func `all that is wrong is said at once`() {
        let lines = fault("{}", ["PITAYA_HEARTBEAT_INTERVAL": "soon", "PITAYA_CONN_RATELIMITING_LIMIT": "-1"])
            .split(separator: "\n")
        #expect(
            lines.map { $0.prefix { $0 != ":" } } == ["PITAYA_HEARTBEAT_INTERVAL", "PITAYA_CONN_RATELIMITING_LIMIT"])
    }

    @Test func `a key that sets nothing gives a warning with the reason, and never its value`() throws {
        var configuration = PitayaConfiguration()
        try configuration.read(
            Array(#"{pitaya: {worker: {redis: {pool: "hush"}}, heartbeat: {intervall: "1s"}}, mine: 1}"#.utf8),
            of: "f")
        configuration.read(environment: [
            "PITAYA_CONCURRENCY_HANDLER_DISPATCH": "50", "PITAYA_BUFFER_AGENT_WRITETIMEOUT": "1s",
            "PITAYA_SECRET": "hush",
            "PITAYA_HEARTBEAT_INTERVAL": "1s", "PITAYAS": "hush",
        ])
        let warnings = configuration.warnings
        #expect(warnings.count == 5)
        for (name, why) in [
            ("f:1:28: pitaya.worker.redis.pool", "two connections"),
            ("f:1:56: pitaya.heartbeat.intervall", "no key of the original"),
            ("PITAYA_CONCURRENCY_HANDLER_DISPATCH: pitaya.concurrency.handler.dispatch", "settings.inFlight"),
            ("PITAYA_BUFFER_AGENT_WRITETIMEOUT: pitaya.buffer.agent.writetimeout", "settings.queue"),
            ("PITAYA_SECRET", "sets nothing"),
        ] {
            #expect(warnings.contains { $0.hasPrefix(name) && $0.contains(why) }, "\(name): \(warnings)")
        }
        #expect(!warnings.contains { $0.contains("hush") })
    }

    @Test func `the spelling that the original reads counts more than that of its documentation`() throws {
        var configuration = PitayaConfiguration()
        configuration.read(environment: [
            "PITAYA_CLUSTER_SD_ETCD_SERVERTYPEBLACKLIST": "a", "PITAYA_CLUSTER_SD_ETCD_SERVERTYPESBLACKLIST": "b",
            "PITAYA_WORKER_REDIS_URL": "c", "PITAYA_WORKER_RETRY_MAX": "7",
        ])
        let cluster = try AppSettings(pitaya: configuration).cluster
        #expect(cluster.ignoredTypes == ["b"])
        #expect(cluster.reliable.redis?.address == "c" && cluster.reliable.retries == 7)
        #expect(configuration.warnings.isEmpty)
    }

    @Test(arguments: [
        ("30s", 30_000_000_000), ("1m30s", 90_000_000_000), ("2h", 7_200_000_000_000), ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000), ("1.s", 1_000_000_000), ("0", 0), ("+5ms", 5_000_000), ("-1us", -1000), ("1µs", 1000),
        ("1.0000000009s", 1_000_000_000), ("2562047h47m16.854775807s", Int64.max),
    ]) func `times are those of Go`(_ text: String, _ nanoseconds: Int64) {
        #expect(GoText.duration(text) == .nanoseconds(nanoseconds))
    }

    @Test(arguments: [
        0, 1, 999, 1500, 5_000_000, 1_500_000_000, 5_000_000_000, 90_000_000_000, 3_600_000_000_000,
        5_400_000_000_001, -250_000_000, Int64.max,
    ]) func `times are written as Go writes them`(_ nanoseconds: Int64) {
        let written = [
            0: "0s", 1: "1ns", 999: "999ns", 1500: "1.5µs", 5_000_000: "5ms", 1_500_000_000: "1.5s",
            5_000_000_000: "5s", 90_000_000_000: "1m30s", 3_600_000_000_000: "1h0m0s",
            5_400_000_000_001: "1h30m0.000000001s", -250_000_000: "-250ms", Int64.max: "2562047h47m16.854775807s",
        ]
        #expect(GoText.text(.nanoseconds(nanoseconds)) == written[nanoseconds])
        #expect(GoText.duration(GoText.text(.nanoseconds(nanoseconds))) == .nanoseconds(nanoseconds))
    }

    @Test func `the keys of a cluster set where it is and how it is joined`() throws {
        var configuration = PitayaConfiguration()
        configuration.read(environment: [
            "PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT": "nats://a:1,nats://b:2",
            "PITAYA_CLUSTER_RPC_CLIENT_NATS_REQUESTTIMEOUT": "3s", "PITAYA_CLUSTER_SD_ETCD_ENDPOINTS": "c:3,d:4",
            "PITAYA_CLUSTER_SD_ETCD_PREFIX": "game/", "PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL": "10s",
            "PITAYA_CLUSTER_SD_ETCD_USER": "u", "PITAYA_CLUSTER_SD_ETCD_PASS": "p", "PITAYA_SESSION_UNIQUE": "false",
        ])
        let cluster = try AppSettings(pitaya: configuration).cluster
        #expect(cluster.nats == ["nats://a:1", "nats://b:2"] && cluster.etcd.endpoints == ["c:3", "d:4"])
        #expect(cluster.callLimit == .seconds(3) && cluster.lease == .seconds(10) && cluster.prefix == "game/")
        #expect(cluster.etcd.user == "u" && cluster.etcd.password?.revealed == "p" && !cluster.uniqueSessions)
        #expect(configuration.warnings.isEmpty)
    }

    @Test(arguments: ["", "5", "s", ".s", "1x", "1d", "1s ", " 1s", "-", "1s-1s", "99999999999h", "1.2.3s", "١s"])
    func `what is no time of Go is none`(_ text: String) { #expect(GoText.duration(text) == nil) }

    @Test func `whole numbers have the prefixes of Go`() {
        let numbers = ["25", "0x19", "0b11001", "0o31", "031", "-25", "+25", "0"].map(GoText.int)
        #expect(numbers == [25, 25, 25, 25, 25, -25, 25, 0])
        for text in ["", "-", "2.5", "0x", "--1", "0x-1", "1e3", "five"] { #expect(GoText.int(text) == nil, "\(text)") }
    }

    /// The keys of the page are those of the code, with what becomes of each.
    @Test func `the page shows every key and what becomes of it`() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let page = try String(contentsOfFile: root + "/docs/app.md", encoding: .utf8)
        let rows = PitayaKey.all.map { "| `\($0.name)` | `\($0.standard)` | \($0.effect) |" }
        let shown = page.split(separator: "\n").filter { $0.hasPrefix("| `pitaya.") }
        #expect(shown.map(String.init) == rows, "the page should have:\n\(rows.joined(separator: "\n"))")
    }
}
