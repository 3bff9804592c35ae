import ClusterSupport
import Glibc
import Omniway
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import Testing

@testable import OmniwayApp

/// Reliable calls in the lists of a real Redis, as workers of the original have them.
@Suite(.serialized, .timeLimit(.minutes(2))) struct RedisCallTests {
    private struct Place {
        let redis: RedisProgram
        let loops = EventLoops(count: 2).loops
        let registry: Registry
        let diary = Diary()
        var apps: [App] = []

        init(failures: Int = 0, password: String? = nil) async throws {
            redis = try await RedisProgram(password: password)
            registry = try await Registry.open(.memory, on: loops[0])
            let bus = InProcessBus()
            let left = Lock(failures)
            let diary = diary
            for (index, type) in ["room", "worker"].enumerated() {
                var settings = AppSettings()
                settings.cluster.reliable.redis = RedisSettings(
                    redis.address, password: password.map { Secret($0) }, namespace: "game")
                (settings.cluster.reliable.minDelay, settings.cluster.reliable.maxDelay) = (0, 0)
                let app = App(type: type, id: "\(type)-1", settings: settings)
                app.join(registry: registry, bus: bus)
                app.remotes.on("log.note") { (note: Note, context) in
                    diary.note(note.text)
                    let mustFail = left.withLock { left in
                        left -= 1
                        return left >= 0
                    }
                    if mustFail { throw AppError("RM-001", "not today") }
                    return note
                }
                if type == "worker" { app.work(on: "room.log.note", Note.self) }
                try await app.start(on: [loops[index]])
                apps.append(app)
            }
        }

        func sees(_ holds: () async throws -> Bool) async throws -> Bool {
            for _ in 0..<1000 {
                if try await holds() { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }

        func end() async {
            for app in apps.reversed() { await app.stop() }
            await registry.close()
            await redis.stop()
            for loop in loops { await loop.shutdown() }
        }
    }

    @Test func `a call goes through the lists of the original, is counted there, and leaves nothing`() async throws {
        let place = try await Place(password: "hush")
        try await place.apps[0].callReliably("room.log.note", Note("one"))
        #expect(try await place.sees { place.diary.all == ["one"] })
        func redis(_ words: [String]) async throws -> [String] {
            try await place.redis.control("-a", "hush", "--no-auth-warning", words[0], words[1])
        }
        #expect(try await place.sees { try await redis(["GET", "game:stat:processed"]) == ["1"] })
        #expect(try await redis(["SMEMBERS", "game:queues"]) == ["rpc"])
        #expect(try await redis(["LLEN", "game:queue:rpc"]) == ["0"])
        #expect(try await redis(["LLEN", "game:queue:rpc:\(Host.name):inprogress"]) == ["0"])
        await place.end()
    }

    @Test func `a job that the original has written is done, also one that was due to be tried again`() async throws {
        let place = try await Place()
        let job =
            #"{"queue":"rpc","class":"","args":{"Route":"room.log.note","Metadata":null,"Arg":{"text":"T"},"#
            + #""Reply":{}},"jid":"1","enqueued_at":1700000000.5,"retry":true,"retry_max":2,"#
            + #""retry_options":{"exp":5,"min_delay":0,"max_delay":0,"max_rand":0},"connection_options":{}}"#
        // Redis has both before the next look at what is due.
        try await place.redis.control("LPUSH", "game:queue:rpc", job.replacing("T", with: "queued"))
        #expect(try await place.sees { place.diary.all.contains("queued") })
        await place.apps[1].stop()
        try await place.redis.control("ZADD", "game:goretry", "1700000000", job.replacing("T", with: "due"))
        let left = job.replacing("T", with: "left")
        try await place.redis.control("LPUSH", "game:queue:rpc:\(Host.name):inprogress", left)
        let worker = App(type: "worker", id: "worker-2", settings: place.apps[1].settings)
        worker.join(registry: place.registry, bus: InProcessBus())
        worker.work(on: "room.log.note", Note.self)
        try await worker.start(on: [place.loops[1]])
        // This one has a bus of its own, where nobody has the remote: so the calls fail, and are counted as failed.
        #expect(try await place.sees { try await place.redis.control("GET", "game:stat:failed") == ["2"] })
        let waiting = try await place.redis.control("ZRANGE", "game:goretry", "0", "-1")
        #expect(waiting.count == 2 && waiting.allSatisfy { $0.contains("retry_count") && $0.contains("failed_at") })
        #expect(waiting.joined().contains("due") && waiting.joined().contains("left"))
        await worker.stop()
        await place.end()
    }

    @Test func `without Redis a call is refused, and with it again it is made`() async throws {
        let place = try await Place()
        await place.redis.stop(SIGKILL)
        await #expect(throws: AppError.self) { try await place.apps[0].callReliably("room.log.note", Note("one")) }
        let redis = try await RedisProgram(port: place.redis.port)
        #expect(
            try await place.sees {
                (try? await place.apps[0].callReliably("room.log.note", Note("two"))) != nil
            })
        #expect(try await place.sees { place.diary.all.contains("two") })
        await place.end()
        await redis.stop()
    }
}
