package import OmniwayTransport
import OmniwayWire

/// Jobs in the lists of a Redis, as workers of the original keep them: they and ours take them from each other.
package final class RedisJobs: JobQueue, TimerTarget {
    /// One waits for jobs, and the other does not.
    private let (taking, asking): (RedisClient, RedisClient)
    private let prefix: String
    private let owner: String
    private let limits: JobLimits
    private let now: () -> Double
    private let day: () -> String
    private let loop: Loop
    private var isTaking = false
    private var isRecovered = false
    private var mustPoll = false

    /// `owner` is what keeps the jobs of this server apart: workers of the original use the name of the machine. `now`
    /// is in seconds since 1970, `day` as `2006-01-02`.
    package init(
        on loop: Loop, _ dialer: any Dialer, _ settings: RedisSettings, owner: String, takers: Int = 1,
        limits: JobLimits = JobLimits(), now: @escaping () -> Double, day: @escaping () -> String
    ) {
        // They wait for a second each, one after the other.
        taking = RedisClient(on: loop, dialer, password: settings.password, limit: .seconds(5 + takers))
        asking = RedisClient(on: loop, dialer, password: settings.password)
        prefix = settings.namespace.isEmpty ? "" : settings.namespace + ":"
        (self.loop, self.owner, self.limits, self.now, self.day) = (loop, owner, limits, now, day)
    }

    private var queue: String { "\(prefix)queue:\(ReliableJob.queue)" }
    private var inProgress: String { "\(queue):\(owner):inprogress" }

    package nonisolated(nonsending) func put(_ job: [UInt8], id: String) async throws {
        guard case .number(let count) = try await asking.ask("LLEN", queue) else {
            throw RedisError.unexpected("how long the queue is")
        }
        if count >= limits.waiting { throw TooManyJobs(limit: limits.waiting) }
        try await asking.askTogether([
            Self.command("SADD", "\(prefix)queues", ReliableJob.queue), Self.command("LPUSH", queue) + [job],
        ])
    }

    // MARK: Taking

    package func begin() {
        isTaking = true
        mustPoll = true
    }

    package func end() {
        isTaking = false
        taking.close()
        asking.close()
    }

    package nonisolated(nonsending) func take() async throws -> TakenJob? {
        if !isRecovered { try await recover() }
        if mustPoll { try await poll() }
        guard isTaking else { return nil }
        switch try await taking.ask("BRPOPLPUSH", queue, inProgress, "1") {
        case .bytes(let bytes): return TakenJob(id: "", bytes: bytes)
        case .null: return nil
        case .text, .error, .number, .array: throw RedisError.unexpected("a job")
        }
    }

    /// What a life before has taken and not ended is everybody's again.
    private nonisolated(nonsending) func recover() async throws {
        isRecovered = true
        do {
            for _ in 0..<limits.waiting {
                if case .null = try await asking.ask("RPOPLPUSH", inProgress, queue) { break }
            }
        } catch {
            isRecovered = false
            throw error
        }
    }

    /// Those that have waited long enough go into the queue, each by one script, so that none is lost between.
    private nonisolated(nonsending) func poll() async throws {
        mustPoll = false
        loop.after(Self.pause, self)
        for set in ["goretry", "schedule"] {
            for _ in 0..<Self.mostMoved {
                let found = try await asking.ask(
                    "ZRANGEBYSCORE", prefix + set, "-inf", String(now()), "LIMIT", "0", "1")
                guard case .array(let jobs) = found, case .bytes(let job)? = jobs.first else { break }
                _ = try await asking.ask(
                    Self.command("EVAL", Self.script, "2", prefix + set, queue) + [job])
            }
        }
    }
    private static let script =
        "if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('LPUSH', KEYS[2], ARGV[1]) end return 1"
    private static let pause = Duration.seconds(15)
    private static let mostMoved = 1000

    package func timerFired(_ token: UInt64, on loop: Loop) { mustPoll = isTaking }

    // MARK: What becomes of one

    package nonisolated(nonsending) func done(_ job: TakenJob) async throws {
        try await asking.askTogether([remove(job)] + count("processed"))
    }

    package nonisolated(nonsending) func again(_ job: TakenJob, as bytes: [UInt8], after seconds: Int) async throws {
        let time = String(now() + Double(seconds))
        try await asking.askTogether(
            [Self.command("ZADD", "\(prefix)goretry", time) + [bytes], remove(job)] + count("failed"))
    }

    package nonisolated(nonsending) func bury(_ job: TakenJob, as bytes: [UInt8]) async throws {
        let dead = "\(prefix)dead"
        try await asking.askTogether(
            [
                Self.command("ZADD", dead, String(now())) + [bytes],
                Self.command("ZREMRANGEBYRANK", dead, "0", "\(-limits.buried - 1)"), remove(job),
            ] + count("failed"))
    }

    /// It comes again when this server starts anew.
    package func letGo(_ job: TakenJob) {}

    private func remove(_ job: TakenJob) -> [[UInt8]] { Self.command("LREM", inProgress, "-1") + [job.bytes] }
    private func count(_ what: String) -> [[[UInt8]]] {
        [Self.command("INCR", "\(prefix)stat:\(what)"), Self.command("INCR", "\(prefix)stat:\(what):\(day())")]
    }
    private static func command(_ words: String...) -> [[UInt8]] { words.map { Array($0.utf8) } }
}
