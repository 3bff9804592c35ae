public import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
public import OmniwayWire

/// How calls are made that are tried again until they have succeeded.
public struct ReliableCallSettings: Sendable {
    /// Where they wait. Without it, in the registry of the cluster.
    public var redis: RedisSettings?
    /// How many of them a worker makes at a time.
    public var concurrency = 1
    /// Whether a call that fails is tried again, and how often after the second time.
    public var isRetried = true
    public var retries = 2
    /// The pause after a failure, in seconds: the number of failures to the power of `exponent`, and `minDelay`, and by
    /// chance up to `maxRandom` for each failure; at most `maxDelay`.
    public var exponent = 5
    public var minDelay = 10
    public var maxDelay = 10
    public var maxRandom = 0

    public init() {}

    var retry: ReliableJob.Retry {
        ReliableJob.Retry(
            isOn: isRetried, most: retries, exponent: exponent, minDelay: minDelay, maxDelay: maxDelay,
            maxRandom: maxRandom)
    }

    var faults: [String] {
        var faults: [String] = []
        if !(1...1000 ~= concurrency) { faults.append("reliable.concurrency is \(concurrency); from 1 to 1000") }
        if min(retries, exponent, minDelay, maxDelay, maxRandom) < 0 {
            faults.append("retries, exponent and delays of reliable calls begin at 0")
        }
        if let redis, redis.dialer == nil {
            faults.append("\"\(redis.address)\" is no address of a Redis; write host:6379")
        }
        return faults
    }
}

extension App {
    /// Has a remote called until it has succeeded, by any server that works on such calls: at least once, also when
    /// this server or that one dies meanwhile. Returns the id of the call, when it is written down.
    ///
    /// The argument is written as JSON, as servers of pitaya read it.
    @discardableResult
    public func callReliably<In: Encodable>(
        _ route: String, _ argument: In, metadata: JSON.Object = [:]
    ) async throws -> String {
        guard let server, server.member != nil else { throw AppError.noCluster }
        let body = try JSONSerializer().encode(argument)
        let job = ReliableJob(
            id: JobID.next(), route: route, metadata: metadata, argument: try JSON.Reader.go.read(body),
            retry: settings.cluster.reliable.retry, at: Timestamp.now().exact)
        do {
            try await server.put(job)
        } catch let error as AppError {
            throw error
        } catch { throw AppError(AppError.unavailable, "the call is not written down: \(error)") }
        return job.id
    }

    /// Makes reliable calls of a remote, those that any server has asked for, with arguments of this type. `server`
    /// chooses which one to call; nil leaves it to chance.
    public func work<In: Decodable & SerializedMessage & SendableMetatype>(
        on route: String, _ argument: In.Type,
        at server: @escaping @Sendable (In, JSON.Object) throws -> String? = { _, _ in nil }
    ) {
        change { blueprint in
            blueprint.works[route] = ReliableWork { json, metadata in
                let value = try JSONSerializer().decode(In.self, from: JSON.Writer().bytes(of: json))
                return (try value.serializedBytes(), try server(value, metadata))
            }
        }
    }
}

/// How the argument of a reliable call becomes a body, and which server is called.
struct ReliableWork: Sendable {
    let prepare: @Sendable (JSON, JSON.Object) throws -> (body: [UInt8], server: String?)
}

/// 24 hexadecimal digits, as workers of the original make them.
private enum JobID {
    static func next() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<24).map { _ in String(Int.random(in: 0..<16, using: &random), radix: 16) }.joined()
    }
}

extension Timestamp {
    var exact: Double { Double(seconds) + Double(nanoseconds / 1000) / 1_000_000 }
    /// As workers of the original write a time, to the second.
    var goText: String { "\(text.prefix(10)) \(text.dropFirst(11).prefix(8)) UTC" }
    var day: String { String(text.prefix(10)) }
}

extension AppServer {
    fileprivate func put(_ job: ReliableJob) async throws {
        let (answers, answer) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        try await reach(0) { _, shard in
            guard shard.loop.start(JobPutting(shard, job, answer)) != nil else {
                answer.yield(.failure(AppError.tooMuch))
                return answer.finish()
            }
        }
        for await answer in answers { return try answer.get() }
        throw Self.stopped
    }
}

private final class JobPutting: LoopTask {
    private let shard: AppShard
    private let job: ReliableJob
    private let answer: AsyncStream<Result<Void, any Error>>.Continuation

    init(_ shard: AppShard, _ job: ReliableJob, _ answer: AsyncStream<Result<Void, any Error>>.Continuation) {
        (self.shard, self.job, self.answer) = (shard, job, answer)
    }

    nonisolated(nonsending) func run() async {
        do {
            guard let calls = shard.cluster?.reliable else { throw AppError.noCluster }
            try await calls.queue.put(job.json, id: job.id)
            calls.count("enqueued")
            answer.yield(.success(()))
        } catch { answer.yield(.failure(error)) }
        answer.finish()
    }
}
