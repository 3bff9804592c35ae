import OmniwayCluster
import OmniwayTelemetry

/// A key of the original's configuration, and what becomes of it here. The page `docs/app.md` shows this list.
struct PitayaKey: Sendable {
    enum Meaning: Sendable {
        /// It sets what the text names.
        case sets(String, @Sendable (PitayaValue, inout AppSettings) throws(PitayaFault) -> Void)
        /// It chooses among the serializers that the application offers.
        case serializer
        /// It sets nothing, and the text says why, or what does instead.
        case nothing(String)
        /// Another spelling, from the original's documentation, which does not read it itself.
        case spells(String)
    }

    let name: String
    /// What it is where nobody sets it, in the original.
    let standard: String
    let meaning: Meaning

    init(_ name: String, _ standard: String, _ meaning: Meaning) {
        (self.name, self.standard, self.meaning) = ("pitaya." + name, standard, meaning)
    }

    /// The variable that has it.
    var variable: String { String(name.uppercased().map { $0 == "." ? "_" : $0 }) }

    /// What becomes of it, for people.
    var effect: String {
        switch meaning {
        case .sets(let what, _): "`\(what)`"
        case .serializer: "`--serializer`: 1 is json, 2 is protobuf"
        case .nothing(let why): "nothing: \(why)"
        case .spells(let name): "the same as `\(name)`"
        }
    }

    static let all: [PitayaKey] = serving + metrics + cluster + workers

    /// The key of that name, whatever its case, or the one that it is another spelling of.
    static func named(_ name: String) -> PitayaKey? {
        guard let key = byName[name.lowercased()] else { return nil }
        guard case .spells(let other) = key.meaning else { return key }
        return byName[other]
    }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}

extension PitayaKey {
    private static let serving: [PitayaKey] = [
        PitayaKey("serializertype", "1", .serializer),
        PitayaKey(
            "heartbeat.interval", "30s",
            .sets("settings.heartbeat") { value, settings throws(PitayaFault) in
                settings.heartbeat = try value.duration()
            }),
        PitayaKey(
            "handler.messages.compression", "true",
            .sets("settings.compression") { value, settings throws(PitayaFault) in
                if try !value.bool() {
                    settings.compression = .off
                } else if settings.compression == .off {
                    settings.compression = .on
                }
            }),
        PitayaKey(
            "conn.ratelimiting.limit", "20",
            .sets("settings.rateLimit") { value, settings throws(PitayaFault) in
                let interval = settings.rateLimit?.interval ?? AppSettings.RateLimit().interval
                settings.rateLimit = AppSettings.RateLimit(try value.int(in: 1...1 << 20), per: interval)
            }),
        PitayaKey(
            "conn.ratelimiting.interval", "1s",
            .sets("settings.rateLimit") { value, settings throws(PitayaFault) in
                let interval = try value.duration()
                guard interval > .zero else { throw value.wrong("write a time above zero") }
                let limit = settings.rateLimit?.limit ?? AppSettings.RateLimit().limit
                settings.rateLimit = AppSettings.RateLimit(limit, per: interval)
            }),
        PitayaKey(
            "conn.ratelimiting.forcedisable", "false",
            .sets("settings.rateLimit") { value, settings throws(PitayaFault) in
                if try value.bool() { settings.rateLimit = nil }
            }),
        PitayaKey("buffer.agent.messages", "100", .nothing("bytes are counted instead: `settings.queue`")),
        PitayaKey(
            "buffer.agent.conntimeout", "10s",
            .nothing("a slow client is not waited for: `settings.queue` says when it is closed")),
        PitayaKey("buffer.agent.writetimeout", "10s", .spells("pitaya.buffer.agent.conntimeout")),
        PitayaKey(
            "buffer.handler.localprocess", "20", .nothing("messages wait nowhere: `settings.inFlight` limits them")),
        PitayaKey(
            "buffer.handler.remoteprocess", "20", .nothing("messages wait nowhere: `settings.inFlight` limits them")),
        PitayaKey(
            "concurrency.handler.dispatch", "25",
            .nothing("handlers run on their client's loop: `--loops`, and `settings.inFlight` limits those that wait")),
        PitayaKey(
            "defaultpipelines.structvalidation.enabled", "false", .nothing("a type that is `Validated` is checked")),
        PitayaKey(
            "session.drain.enabled", "false",
            .sets("settings.drain") { value, settings throws(PitayaFault) in
                settings.drain = try value.bool() ? settings.drain ?? AppSettings.SessionDrain() : nil
            }),
        PitayaKey(
            "session.drain.timeout", "6h",
            .sets("settings.drain.limit") { value, settings throws(PitayaFault) in
                let limit = try value.duration()
                settings.drain?.limit = limit
            }),
        PitayaKey(
            "session.drain.period", "5s",
            .sets("settings.drain.period") { value, settings throws(PitayaFault) in
                let period = try value.duration()
                guard period > .zero else { throw value.wrong("write a time above zero") }
                settings.drain?.period = period
            }),
        PitayaKey(
            "acceptor.proxyprotocol", "false",
            .nothing("say whose word counts: `app.listen(ProxyProtocol(from: proxies).over(acceptor))`")),
        PitayaKey("groups.memory.tickduration", "30s", .nothing("a group ends when its time is over")),
    ]

    private static let metrics: [PitayaKey] = [
        PitayaKey("metrics.prometheus.enabled", "false", .nothing("`--admin` answers `/metrics`")),
        PitayaKey("metrics.prometheus.port", "9090", .nothing("`--admin` answers `/metrics`, as in `--admin :9090`")),
        PitayaKey("metrics.period", "15s", .nothing("meters are read when they are asked for")),
        PitayaKey(
            "metrics.game", #""""#,
            .sets("settings.meterLabels") { value, settings throws(PitayaFault) in
                settings.meterLabels["game"] = try value.text()
            }),
        PitayaKey(
            "metrics.constlabels", "{}",
            .sets("settings.meterLabels") { value, settings throws(PitayaFault) in
                settings.meterLabels.merge(try value.texts()) { $1 }
            }),
        PitayaKey("metrics.additionallabels", "{}", .nothing("labels with one value are in `settings.meterLabels`")),
        PitayaKey("metrics.custom.summaries", "[]", .nothing("a handler asks `context.loop.meters` for its own")),
        PitayaKey("metrics.custom.histograms", "null", .nothing("a handler asks `context.loop.meters` for its own")),
        PitayaKey("metrics.custom.gauges", "[]", .nothing("a handler asks `context.loop.meters` for its own")),
        PitayaKey("metrics.custom.counters", "[]", .nothing("a handler asks `context.loop.meters` for its own")),
        PitayaKey("metrics.statsd.enabled", "false", .nothing("there is no StatsD; `--admin` answers `/metrics`")),
        PitayaKey("metrics.statsd.host", #""localhost:9125""#, .nothing("there is no StatsD")),
        PitayaKey("metrics.statsd.prefix", #""pitaya.""#, .nothing("there is no StatsD")),
        PitayaKey("metrics.statsd.rate", "1", .nothing("there is no StatsD")),
    ]

    private static let cluster: [PitayaKey] =
        [
            PitayaKey(
                "session.unique", "true",
                .sets("settings.cluster.uniqueSessions") { value, settings throws(PitayaFault) in
                    settings.cluster.uniqueSessions = try value.bool()
                }),
            PitayaKey("cluster.info.region", #""""#, .nothing("regions are for servers that speak gRPC")),
        ]
        + grpc("client.grpc", [("dialtimeout", "5s"), ("lazyconnection", "false"), ("requesttimeout", "5s")])
        + [
            PitayaKey(
                "cluster.rpc.client.nats.connect", #""nats://localhost:4222""#,
                .sets("settings.cluster.nats") { value, settings throws(PitayaFault) in
                    settings.cluster.nats = try value.list()
                }),
            PitayaKey(
                "cluster.rpc.client.nats.requesttimeout", "5s",
                .sets("settings.cluster.callLimit") { value, settings throws(PitayaFault) in
                    settings.cluster.callLimit = try value.duration()
                }),
        ]
        + natsKeys("client.nats", [])
        + grpc("server.grpc", [("port", "3434")])
        + [
            PitayaKey(
                "cluster.rpc.server.nats.connect", #""nats://localhost:4222""#,
                .nothing("a server has one bus: `pitaya.cluster.rpc.client.nats.connect`"))
        ]
        + natsKeys("server.nats", [("buffer.messages", "75"), ("buffer.push", "100"), ("services", "30")])
        + [
            PitayaKey(
                "cluster.sd.etcd.endpoints", #"["localhost:2379"]"#,
                .sets("settings.cluster.etcd") { value, settings throws(PitayaFault) in
                    settings.cluster.etcd.endpoints = try value.list()
                }),
            PitayaKey(
                "cluster.sd.etcd.user", #""""#,
                .sets("settings.cluster.etcd") { value, settings throws(PitayaFault) in
                    settings.cluster.etcd.user = try value.text()
                }),
            PitayaKey(
                "cluster.sd.etcd.pass", #""""#,
                .sets("settings.cluster.etcd") { value, settings throws(PitayaFault) in
                    settings.cluster.etcd.password = Secret(try value.text())
                }),
            PitayaKey(
                "cluster.sd.etcd.prefix", #""pitaya/""#,
                .sets("settings.cluster.prefix") { value, settings throws(PitayaFault) in
                    settings.cluster.prefix = try value.text()
                }),
            PitayaKey(
                "cluster.sd.etcd.heartbeat.ttl", "1m",
                .sets("settings.cluster.lease") { value, settings throws(PitayaFault) in
                    settings.cluster.lease = try value.duration()
                }),
            PitayaKey(
                "cluster.sd.etcd.servertypesblacklist", "null",
                .sets("settings.cluster.ignoredTypes") { value, settings throws(PitayaFault) in
                    settings.cluster.ignoredTypes = Set(try value.list())
                }),
        ]
        + nothing(
            "cluster.sd.etcd", "the registry's own limits hold",
            [
                ("dialtimeout", "5s"), ("heartbeat.log", "false"), ("syncservers.interval", "2m"),
                ("syncservers.parallelism", "10"), ("revoke.timeout", "5s"), ("grantlease.timeout", "1m"),
                ("grantlease.maxretries", "15"), ("grantlease.retryinterval", "5s"), ("shutdown.delay", "300ms"),
            ])
        + [
            PitayaKey(
                "cluster.sd.etcd.servertypeblacklist", "null", .spells("pitaya.cluster.sd.etcd.servertypesblacklist"))
        ]
        + nothing(
            "modules.bindingstorage.etcd", "who is where is in the cluster's registry",
            [
                ("dialtimeout", "5s"), ("endpoints", #"["localhost:2379"]"#), ("prefix", #""pitaya/""#),
                ("leasettl", "5h"),
            ])
        + nothing(
            "groups.etcd", "`app.sharedGroups` are in the cluster's registry",
            [
                ("dialtimeout", "5s"), ("endpoints", #"["localhost:2379"]"#), ("prefix", #""pitaya/""#),
                ("transactiontimeout", "5s"),
            ])

    private static let workers: [PitayaKey] =
        [
            redis("redis.serverurl", #""localhost:6379""#, "address") { value, redis throws(PitayaFault) in
                redis.address = try value.text()
            },
            PitayaKey("worker.redis.pool", #""10""#, .nothing("a server has two connections to Redis")),
            redis("redis.password", #""""#, "password") { value, redis throws(PitayaFault) in
                redis.password = Secret(try value.text())
            },
            redis("namespace", #""""#, "namespace") { value, redis throws(PitayaFault) in
                redis.namespace = try value.text()
            },
            number("concurrency", "1", \.concurrency, "concurrency"),
            PitayaKey(
                "worker.retry.enabled", "true",
                .sets("settings.cluster.reliable.isRetried") { value, settings throws(PitayaFault) in
                    settings.cluster.reliable.isRetried = try value.bool()
                }),
            number("retry.max", "2", \.retries, "retries"),
            number("retry.exponential", "5", \.exponent, "exponent"),
            number("retry.mindelay", "10", \.minDelay, "minDelay"),
            number("retry.maxdelay", "10", \.maxDelay, "maxDelay"),
            number("retry.maxrandom", "0", \.maxRandom, "maxRandom"),
            PitayaKey("worker.redis.url", #""localhost:6379""#, .spells("pitaya.worker.redis.serverurl")),
        ]

    private static func number(
        _ name: String, _ standard: String,
        _ path: any (WritableKeyPath<ReliableCallSettings, Int> & Sendable), _ property: String
    ) -> PitayaKey {
        PitayaKey(
            "worker.\(name)", standard,
            .sets("settings.cluster.reliable.\(property)") { value, settings throws(PitayaFault) in
                settings.cluster.reliable[keyPath: path] = try value.int(in: 0...1_000_000)
            })
    }

    /// Redis is used when one of its keys is set.
    private static func redis(
        _ name: String, _ standard: String, _ property: String,
        _ set: @escaping @Sendable (PitayaValue, inout RedisSettings) throws(PitayaFault) -> Void
    ) -> PitayaKey {
        PitayaKey(
            "worker.\(name)", standard,
            .sets("settings.cluster.reliable.redis.\(property)") { value, settings throws(PitayaFault) in
                var redis = settings.cluster.reliable.redis ?? RedisSettings()
                try set(value, &redis)
                settings.cluster.reliable.redis = redis
            })
    }

    private static func nothing(_ prefix: String, _ why: String, _ keys: [(String, String)]) -> [PitayaKey] {
        keys.map { name, standard in PitayaKey("\(prefix).\(name)", standard, .nothing(why)) }
    }

    private static func grpc(_ side: String, _ keys: [(String, String)]) -> [PitayaKey] {
        keys.map { name, standard in
            PitayaKey("cluster.rpc.\(side).\(name)", standard, .nothing("servers do not speak gRPC, but NATS"))
        }
    }

    private static func natsKeys(_ side: String, _ own: [(String, String)]) -> [PitayaKey] {
        nothing(
            "cluster.rpc.\(side)", "a bus comes back by itself, for ever; `NATSSettings` has its limits",
            [("maxreconnectionretries", "15")] + own + [
                ("connectiontimeout", "2s"), ("websocketcompression", "true"), ("reconnectjitter", "100ms"),
                ("reconnectjittertls", "1s"), ("reconnectwait", "1s"), ("pinginterval", "2m"),
                ("maxpingsoutstanding", "3"),
            ])
    }
}
