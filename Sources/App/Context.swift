public import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// One message of a client, while its handler runs. It stays on the connection's loop: what leaves the loop takes
/// values along, or the session's `player`.
public final class Context {
    public let session: Session
    /// What hooks and handlers tell each other, and other servers when a message goes on to them.
    public var metadata = JSON.Object()

    /// What its message says by itself. Apart from the public names: only what the module alone can reach is free of
    /// run-time exclusivity checks.
    private var message: Message
    private var name: String
    struct Message {
        /// By which the client knows the answer; zero for a notify.
        let id: UInt64
        let isRequest: Bool
        let arrived: Moment
        let deadline: Moment?
    }
    /// Nil where nothing is traced, or not this.
    var span: RequestSpan?
    private var knownRequestID: String?
    private var sleepers: [Sleeper] = []
    private var isCancelled = false

    init(_ session: Session, _ route: String, _ message: Message) {
        (self.session, self.message, name) = (session, message, route)
    }

    /// Made as new, for another message of the same session. Only where nobody else has it.
    func begin(_ route: String, _ message: Message) {
        self.message = message
        if name != route { name = route }
        knownRequestID = nil
        if !metadata.isEmpty { metadata = JSON.Object() }
    }

    /// In full: `type.service.method`.
    public var route: String { name }
    /// False for notifies.
    public var isRequest: Bool { message.isRequest }
    /// By then the client is told that it took too long; nil where there is no limit.
    public var deadline: Moment? { message.deadline }
    var id: UInt64 { message.id }
    var arrived: Moment { message.arrived }
    public var app: App { session.shard.app }
    public var loop: Loop { session.shard.loop }

    /// The same for all that happens because of one message, also on other servers.
    public var requestID: String {
        if let knownRequestID { return knownRequestID }
        let id = (try? metadata[CallMetadata.requestID]?.string()) ?? session.shard.requestIDs.next(using: &loop.random)
        knownRequestID = id
        return id
    }

    /// The log, with what tells this message from others.
    public var log: Log {
        Log.shared.with(["route": route, "session": "\(session.id)", "user": session.uid ?? "", "request": requestID])
    }

    /// A value as this app's clients read it, for hooks that replace a result.
    public func encode<Value>(_ value: Value) throws -> [UInt8] { try app.serializer.body(of: value) }

    /// Waits on the loop's clock. Throws `CancellationError` when the session ends meanwhile.
    public nonisolated(nonsending) func sleep(for time: Duration) async throws {
        if isCancelled { throw CancellationError() }
        let sleeper = Sleeper()
        sleepers.append(sleeper)
        await withCheckedContinuation { waiter in sleeper.sleep(for: time, on: loop, waiter) }
        sleepers.removeAll { $0 === sleeper }
        if isCancelled { throw CancellationError() }
    }

    func cancel() {
        isCancelled = true
        for sleeper in sleepers { sleeper.wake(on: loop) }
    }
}

private final class Sleeper: TimerTarget {
    private var waiter: CheckedContinuation<Void, Never>?
    private var timer: TimerID?

    func sleep(for time: Duration, on loop: Loop, _ waiter: CheckedContinuation<Void, Never>) {
        self.waiter = waiter
        timer = loop.after(time, self)
    }

    func wake(on loop: Loop) {
        if let timer { loop.cancel(timer) }
        timerFired(0, on: loop)
    }

    func timerFired(_ token: UInt64, on loop: Loop) { exchange(&waiter, with: nil)?.resume() }
}

/// Ids of 22 letters and digits, as servers of the original make them.
enum RequestID {
    private static let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    static func next(using random: inout any RandomNumberGenerator) -> String {
        String(decoding: bytes(using: &random), as: UTF8.self)
    }

    fileprivate static func bytes(using random: inout any RandomNumberGenerator) -> [UInt8] {
        var text: [UInt8] = []
        for var word in [random.next(), random.next()] {
            for _ in 0..<11 {
                text.append(letters[Int(word % 62)])
                word /= 62
            }
        }
        return text
    }
}

/// One after the other: the first by chance, and each later one the next, as those of the original are counted.
struct RequestIDs {
    private var last: [UInt8] = []

    mutating func next(using random: inout any RandomNumberGenerator) -> String {
        if last.isEmpty { last = RequestID.bytes(using: &random) } else { count() }
        return String(decoding: last, as: UTF8.self)
    }

    private mutating func count() {
        for place in last.indices.reversed() {
            switch last[place] {
            case UInt8(ascii: "z"): last[place] = UInt8(ascii: "0")  // And one more in the place before.
                continue
            case UInt8(ascii: "Z"): last[place] = UInt8(ascii: "a")
            case UInt8(ascii: "9"): last[place] = UInt8(ascii: "A")
            default: last[place] += 1
            }
            return
        }
    }
}
