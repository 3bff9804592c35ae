import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Reliable calls of one server, on its first loop: where they wait, and who makes them.
final class ReliableCalls: TimerTarget {
    let queue: any JobQueue
    private unowned let cluster: ClusterPart
    private let works: [String: ReliableWork]
    private let settings: ReliableCallSettings
    private var underWay = 0
    private(set) var isEnding = false
    private var whenIdle: ((Int) -> Void)?
    private var sleepers: [CheckedContinuation<Void, Never>] = []

    init(_ cluster: ClusterPart, _ works: [String: ReliableWork]) {
        let settings = cluster.settings.reliable
        (self.cluster, self.works, self.settings) = (cluster, works, settings)
        let (loop, member) = (cluster.shard.loop, cluster.member)
        if let redis = settings.redis, let dialer = redis.dialer {
            queue = RedisJobs(
                on: loop, dialer, redis, owner: Host.name, takers: settings.concurrency,
                now: { Timestamp.now().exact }, day: { Timestamp.now().day })
        } else {
            queue = RegistryJobs(
                cluster.registry, prefix: cluster.settings.prefix, owner: "\(member.own.type)/\(member.own.id)",
                lease: { member.currentLease })
        }
    }

    func begin() {
        if works.isEmpty { return }
        queue.begin()
        for _ in 0..<settings.concurrency {
            if cluster.shard.loop.start(ReliableWorker(self)) != nil { underWay += 1 }
        }
        if underWay == 0 { Log.shared.error("no reliable calls are made: too many tasks", [:]) }
    }

    /// Takes no more, and says when those under way have ended, or the time is over.
    func end(within limit: Duration, then: @escaping (Int) -> Void) {
        isEnding = true
        timerFired(Self.wakeToken, on: cluster.shard.loop)
        if underWay == 0 { return end(then) }
        whenIdle = { [unowned self] _ in end(then) }
        cluster.shard.loop.after(limit, self, token: Self.limitToken)
    }
    private func end(_ then: (Int) -> Void) {
        queue.end()
        then(0)
    }

    fileprivate func ended() {
        underWay -= 1
        if underWay == 0 { exchange(&whenIdle, with: nil)?(0) }
    }

    func count(_ outcome: String) {
        cluster.shard.loop.meters.counter(
            "omniway_app_reliable_calls_total", "Calls that are made until they succeed, by what became of them.",
            labels: [("outcome", outcome), ("serverType", cluster.own.type)]
        ).add(1)
    }

    // MARK: One call

    /// What is to be done about it is tried a few times; then it comes again.
    nonisolated(nonsending) func make(_ job: TakenJob) async {
        var failure: (job: ReliableJob?, words: String)?
        do {
            let call = try ReliableJob(job.bytes)
            do {
                try await make(call)
            } catch { failure = (call, "\(AppError(error))") }
        } catch { failure = (nil, "\(error)") }
        let outcome = outcome(of: job, failure)
        for attempt in 0..<Self.attempts {
            do {
                try await settle(job, outcome)
                return
            } catch {
                Log.shared.warning("what became of a reliable call is not written down", ["error": "\(error)"])
            }
            await pause(after: attempt)
        }
        queue.letGo(job)
    }
    private static let attempts = 5

    private enum Outcome { case done, again([UInt8], after: Int), dead([UInt8]) }

    private func outcome(of job: TakenJob, _ failure: (job: ReliableJob?, words: String)?) -> Outcome {
        guard let failure else { return .done }
        guard var call = failure.job else {
            Log.shared.error("a reliable call that cannot be read is buried", ["error": failure.words])
            return .dead(job.bytes)
        }
        let fields: KeyValuePairs<String, String> = ["route": call.route, "call": call.id, "error": failure.words]
        guard
            let seconds = call.fail(
                failure.words, at: Timestamp.now().goText, chance: cluster.shard.loop.random.next())
        else {
            Log.shared.error("a reliable call has failed for the last time", fields)
            return .dead(call.json)
        }
        Log.shared.warning("a reliable call has failed, and is tried again", fields)
        return .again(call.json, after: seconds)
    }

    private nonisolated(nonsending) func settle(_ job: TakenJob, _ outcome: Outcome) async throws {
        switch outcome {
        case .done: try await queue.done(job)
        case .again(let bytes, let seconds): try await queue.again(job, as: bytes, after: seconds)
        case .dead(let bytes): try await queue.bury(job, as: bytes)
        }
        switch outcome {
        case .done: count("done")
        case .again: count("failed")
        case .dead: count("dead")
        }
    }

    private nonisolated(nonsending) func make(_ call: ReliableJob) async throws {
        guard let work = works[call.route] else {
            throw AppError(AppError.notFound, "no worker of this server knows \(call.route); see app.work(on:)")
        }
        let (body, server) = try work.prepare(call.argument, call.metadata)
        _ = try await cluster.callRemote(call.route, body, at: server, for: nil, call.metadata)
    }

    // MARK: Waiting

    nonisolated(nonsending) func pause(after failures: Int) async {
        if isEnding { return }
        let pause = Self.pauses.pause(after: failures, chance: cluster.shard.loop.random.next())
        await withCheckedContinuation { waiter in
            sleepers.append(waiter)
            cluster.shard.loop.after(pause, self, token: Self.wakeToken)
        }
    }
    private static let pauses = Reconnecting(first: .milliseconds(500), longest: .seconds(10))
    private static let wakeToken: UInt64 = 1
    private static let limitToken: UInt64 = 2

    /// Those who sleep look again; a little early does no harm.
    func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Self.limitToken { return exchange(&whenIdle, with: nil)?(underWay) ?? () }
        for sleeper in exchange(&sleepers, with: []) { sleeper.resume() }
    }
}

/// Takes one call after the other.
private final class ReliableWorker: LoopTask {
    private let calls: ReliableCalls
    init(_ calls: ReliableCalls) { self.calls = calls }

    nonisolated(nonsending) func run() async {
        var failures = 0
        while !calls.isEnding {
            do {
                let job = try await calls.queue.take()
                failures = 0
                if let job { await calls.make(job) }
            } catch {
                if failures == 0 { Log.shared.warning("reliable calls cannot be taken now", ["error": "\(error)"]) }
                await calls.pause(after: failures)
                failures += 1
            }
        }
        calls.ended()
    }
}
