import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// What a test calls with, as JSON and as bytes.
struct Note: Codable, SerializedMessage, Sendable {
    var text: String
    init(_ text: String) { self.text = text }
    init(serializedBytes: [UInt8]) throws { text = String(decoding: serializedBytes, as: UTF8.self) }
    func serializedBytes() throws -> [UInt8] { Array(text.utf8) }
}

/// Calls that are made until they have succeeded.
@Suite struct ReliableCallTests {
    /// A server with the remote, whose first calls fail, and one that makes the calls.
    private struct Place {
        let world: ClusterWorld
        let diary = Diary()
        let failures = Lock(0)
        let caller: App
        let worker: App

        init(
            failures count: Int = 0, _ change: @escaping (inout ReliableCallSettings) -> Void = { _ in }
        ) async throws {
            world = try await ClusterWorld()
            let (diary, failures) = (diary, failures)
            failures.withLock { $0 = count }
            _ = try await world.server("room", "room-1", { _ in }) { app in
                app.remotes.on("log.note") { (note: Note, context) in
                    let seconds = context.loop.now.nanoseconds / 1_000_000_000
                    let who = (try? context.metadata["who"]?.string()) ?? ""
                    diary.note("\(note.text) \(who) \(seconds)")
                    let mustFail = failures.withLock { left in
                        left -= 1
                        return left >= 0
                    }
                    if mustFail { throw AppError("RM-001", "not today") }
                    return note
                }
            }
            worker = try await world.server("worker", "worker-1", { change(&$0.reliable) }, Self.works).app
            caller = try await world.server("shop", "shop-1", { change(&$0.reliable) }, { _ in }).app
        }

        static func works(_ app: App) { app.work(on: "room.log.note", Note.self) }

        func call(_ text: String) async throws -> String {
            let caller = caller
            return try await world.run {
                try await caller.callReliably("room.log.note", Note(text), metadata: ["who": "me"])
            }
        }

        func keys(_ prefix: String) async throws -> [RegistryEntry] {
            let registry = world.registry
            return try await world.run { try await registry.list(RegistryBytes(prefix)).entries }
        }

        func count(_ outcome: String) async -> Bool {
            await world.world.first.snapshot().prometheusText.split(separator: "\n").contains {
                $0.hasPrefix("omniway_app_reliable_calls_total{outcome=\"\(outcome)\"") && $0.hasSuffix(" 1")
            }
        }
    }

    @Test func `a call is made by a worker, with its argument and its metadata, and then forgotten`() async throws {
        let place = try await Place()
        let id = try await place.call("first")
        #expect(id.utf8.count == 24)
        place.world.world.advance(by: .seconds(2))
        #expect(place.diary.all.map { $0.prefix(8) } == ["first me"])
        #expect(try await place.keys("pitaya/jobs/") == [])
        #expect(await place.count("enqueued"))
        #expect(await place.count("done"))
    }

    @Test func `a call that fails is made again after its pause, until it succeeds`() async throws {
        let place = try await Place(failures: 2)
        _ = try await place.call("again")
        place.world.world.advance(by: .seconds(60))
        #expect(place.diary.count == 3)
        let times = place.diary.all.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(zip(times, times.dropFirst()).allSatisfy { 10...13 ~= $1 - $0 }, "\(times)")
        #expect(try await place.keys("pitaya/jobs/") == [])
        #expect(try await place.keys("pitaya/dead-jobs/") == [])
    }

    @Test func `a call that has failed for the last time is kept for people to look at`() async throws {
        let place = try await Place(failures: 100) { ($0.retries, $0.minDelay, $0.maxDelay) = (1, 1, 1) }
        let id = try await place.call("never")
        place.world.world.advance(by: .seconds(60))
        #expect(place.diary.count == 3)
        #expect(try await place.keys("pitaya/jobs/") == [])
        let dead = try await place.keys("pitaya/dead-jobs/")
        #expect(dead.map(\.key.text) == ["pitaya/dead-jobs/\(id)"])
        #expect(dead[0].value.text.contains(#""error_message":"RM-001: not today""#), "\(dead[0].value)")
        #expect(await place.count("dead"))
    }

    @Test func `calls wait until there is a worker, and go in the order in which they were asked for`() async throws {
        let world = try await ClusterWorld()
        let diary = Diary()
        _ = try await world.server("room", "room-1", { _ in }) { app in
            app.remotes.on("log.note") { (note: Note, context) in
                diary.note(note.text)
                return note
            }
        }
        let caller = try await world.server("shop", "shop-1", { _ in }, { _ in }).app
        for text in ["a", "b", "c"] {
            try await world.run { try await caller.callReliably("room.log.note", Note(text)) }
        }
        world.world.advance(by: .seconds(60))
        #expect(diary.all == [])
        _ = try await world.server("worker", "worker-1", { _ in }, Place.works)
        world.world.advance(by: .seconds(5))
        #expect(diary.all.sorted() == ["a", "b", "c"])
    }

    @Test func `a call whose worker has died is made by another one when the lease is over`() async throws {
        let place = try await Place()
        let registry = place.world.registry
        try await place.world.run {
            let lease = try await registry.grant(ttl: .seconds(30))
            let job = ReliableJob(
                id: "77", route: "room.log.note", metadata: [:], argument: ["text": "left"],
                retry: ReliableCallSettings().retry, at: 0)
            _ = try await registry.transact(
                RegistryTransaction(then: [
                    .put("pitaya/jobs/queue/77", RegistryBytes(job.json)),
                    .putUnder(lease: lease, "pitaya/jobs/taken/77", "worker/worker-0"),
                ]))
        }
        place.world.world.advance(by: .seconds(25))
        #expect(place.diary.count == 0)
        place.world.world.advance(by: .seconds(10))
        #expect(place.diary.all.map { $0.prefix(4) } == ["left"])
    }

    @Test func `what this server took in a life before is its own again`() async throws {
        let place = try await Place()
        let registry = place.world.registry
        try await place.world.run {
            let lease = try await registry.grant(ttl: .seconds(3000))
            let job = ReliableJob(
                id: "77", route: "room.log.note", metadata: [:], argument: ["text": "mine"],
                retry: ReliableCallSettings().retry, at: 0)
            _ = try await registry.transact(
                RegistryTransaction(then: [
                    .put("pitaya/jobs/queue/77", RegistryBytes(job.json)),
                    .putUnder(lease: lease, "pitaya/jobs/taken/77", "worker/worker-1"),
                ]))
        }
        place.world.world.advance(by: .seconds(5))
        #expect(place.diary.all.map { $0.prefix(4) } == ["mine"])
        #expect(try await place.keys("pitaya/jobs/") == [])
    }

    @Test func `two workers make each call once`() async throws {
        let place = try await Place()
        _ = try await place.world.server("worker", "worker-2", { _ in }, Place.works)
        for number in 10..<40 { _ = try await place.call("\(number)") }
        place.world.world.advance(by: .seconds(30))
        #expect(place.diary.all.map { $0.prefix(2) }.sorted() == (10..<40).map { "\($0)" })
    }

    @Test func `a call survives an outage of the registry while it is made`() async throws {
        let place = try await Place(failures: 1)
        _ = try await place.call("late")
        place.world.registry.simulateOutage(true)
        place.world.world.advance(by: .seconds(20))
        place.world.registry.simulateOutage(false)
        place.world.world.advance(by: .seconds(120))
        #expect(place.diary.count >= 2)
        #expect(try await place.keys("pitaya/jobs/") == [])
    }

    @Test func `bytes that are no job are buried, and the others go on`() async throws {
        let place = try await Place()
        let registry = place.world.registry
        try await place.world.run { try await registry.put("pitaya/jobs/queue/0", "{") }
        _ = try await place.call("next")
        place.world.world.advance(by: .seconds(5))
        #expect(place.diary.count == 1)
        #expect(try await place.keys("pitaya/dead-jobs/").map(\.value.text) == ["{"])
    }

    @Test func `a route that no worker knows fails like any call, and is not lost`() async throws {
        let place = try await Place { $0.isRetried = false }
        let caller = place.caller
        try await place.world.run { try await caller.callReliably("room.log.other", Note("x")) }
        place.world.world.advance(by: .seconds(5))
        #expect(try await place.keys("pitaya/dead-jobs/").first?.value.text.contains("app.work(on:)") == true)
    }

    @Test func `without a registry, a cluster or sense a call is refused`() async throws {
        let place = try await Place()
        place.world.registry.simulateOutage(true)
        await #expect(throws: AppError.self) { try await place.call("x") }
        await #expect(throws: AppError.noCluster) {
            try await App(type: "room").callReliably("a.b.c", Note("x"))
        }
        var settings = ClusterSettings()
        settings.reliable.concurrency = 0
        settings.reliable.redis = RedisSettings("no port")
        #expect(settings.faults.count == 2)
    }
}
