import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// What answers on etcd's port need not be etcd. Whatever it says costs a call its answer, and nothing more.
@Suite(.timeLimit(.minutes(1))) struct HostileEtcdTests {
    /// A server that gives every question the same answer.
    private final class Liar: Sendable {
        let loop = EventLoop()
        let endpoint: String
        private let listening: Listening
        private let answers: Lock<[String: String]>

        /// By path; other paths get the answer of `*`.
        init(_ given: [String: String], status: HTTPStatus = .ok) async throws {
            let answers = Lock(given)
            self.answers = answers
            let server = await loop.own { loop in
                var routes = HTTPRoutes()
                routes.post("/*path") { exchange in
                    let path = exchange["path"] ?? ""
                    exchange.respond(status, answers.withLock { $0[path] ?? $0["*"] ?? "" })
                }
                return HTTPServer(on: loop, routes: routes)
            }
            listening = try await StreamAcceptor(.loopback(port: 0)).open(into: [server])
            endpoint = "http://127.0.0.1:\(listening.address.port)"
        }

        func say(_ answer: String, to path: String) { answers.withLock { $0[path] = answer } }

        func end() async {
            await listening.stop()
            await loop.shutdown()
        }
    }

    private func open(_ liar: Liar, on loop: EventLoop) async throws -> Registry {
        try await Registry.open(
            .etcd(EtcdSettings(liar.endpoint)), on: loop, limits: RegistryLimits(deadline: .seconds(2)))
    }

    @Test(arguments: [
        ("", RegistryError.Code.damaged), ("<html>not found</html>", .damaged), ("[1,2]", .damaged),
        (#"{"responses":[{"surprise":{}}]}"#, .damaged),
        (#"{"responses":[{"response_range":{"kvs":[{"key":"no base 64!"}]}}]}"#, .damaged),
        (#"{"error":"etcdserver: mvcc: database space exceeded","code":8}"#, .full),
        (#"{"error":"etcdserver: permission denied","code":7}"#, .refused),
        (#"{"error":"etcdserver: request timed out","code":14}"#, .timedOut),
        (#"{"error":"etcdserver: no leader","code":14}"#, .unavailable),
        (#"{"error":"Not Found","code":5}"#, .refused),
    ])
    func `an answer that is none is an error with a code`(_ answer: String, _ expected: RegistryError.Code)
        async throws
    {
        let liar = try await Liar(["*": answer])
        let loop = EventLoop()
        let registry = try await open(liar, on: loop)
        let error = await code { () throws(RegistryError) in try await registry.put("k", "v") }
        #expect(error == expected)
        await registry.close()
        await loop.shutdown()
        await liar.end()
    }

    @Test func `no change of a byte in an answer brings anything down`() async throws {
        let entry = #"{"key":"a2V5","create_revision":"5","mod_revision":"6","version":"2","value":"dg==","lease":"9"}"#
        let header = #""header":{"cluster_id":"1","revision":"9223372036854775807"}"#
        let good = [
            "v3/kv/txn": "{\(header),\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[\(entry)]}}]}",
            "v3/kv/range": "{\(header),\"kvs\":[\(entry)],\"count\":\"1\"}",
            "v3/lease/grant": "{\(header),\"ID\":\"7\",\"TTL\":\"9223372036854775807\"}",
            "v3/lease/keepalive": "{\"result\":{\"ID\":\"7\",\"TTL\":\"-1\"}}",
            "v3/watch": "{\"result\":{\(header),\"created\":true}}\n"
                + "{\"result\":{\(header),\"events\":[{\"kv\":\(entry),\"prev_kv\":\(entry)}]}}\n",
        ]
        let liar = try await Liar(good)
        let loop = EventLoop()
        let registry = try await open(liar, on: loop)
        let mirror = await loop.own { RegistryMirror(registry.on($0), prefix: "k") }
        var random = SeededRandom(seed: 11)
        var answered = 0
        for _ in 0..<400 {
            for (path, answer) in good.sorted(by: { $0.key < $1.key }) {
                var bytes = Array(answer.utf8)
                for _ in 0..<(random.next() % 3) {
                    let place = Int(random.next() % UInt64(bytes.count))
                    bytes[place] = UInt8(32 + random.next() % 95)
                }
                liar.say(String(decoding: bytes, as: UTF8.self), to: path)
            }
            if await code({ () throws(RegistryError) in _ = try await registry.get("key") }) == nil { answered += 1 }
            _ = await code { () throws(RegistryError) in _ = try await registry.list("k") }
            _ = await code { () throws(RegistryError) in
                let lease = try await registry.grant(ttl: .seconds(5))
                try await registry.keepAlive(lease)
            }
        }
        #expect(answered > 100)
        await mirror.run { _, mirror in mirror.end() }
        await registry.close()
        await loop.shutdown()
        await liar.end()
    }
}
