public import OmniwayTransport

/// What goes along with the calls of actors: how long they may take, and the trace that they belong to.
///
/// ```swift
/// let lines = try await ActorCall.with(limit: .seconds(1), traceparent: request.traceparent) {
///     try await room.say("hello")
/// }
/// ```
///
/// Within a method that was called from elsewhere, `current` is what the caller had, so the calls that it makes end
/// when nobody waits for them any more, and belong to the same trace.
public struct ActorCall: Sendable {
    @TaskLocal public static var current = ActorCall()

    /// What each call may take; nil for `ActorSettings.deadline`.
    public var limit: Duration?
    /// The W3C trace context, which goes along as a header of the bus.
    public var traceparent: String?
    /// When whoever has called stops waiting, by the loop's clock.
    public internal(set) var ends: Moment?

    /// Calls within `body` have these; nil leaves what was.
    public static func with<Result>(
        limit: Duration? = nil, traceparent: String? = nil, _ body: () async throws -> Result
    ) async rethrows -> Result {
        var call = current
        call.limit = limit ?? call.limit
        call.traceparent = traceparent ?? call.traceparent
        return try await $current.withValue(call) { try await body() }
    }

    /// The time for a call that is made at `now`.
    func limit(_ deadline: Duration, at now: Moment) -> Duration {
        let limit = limit ?? deadline
        return ends.map { min(limit, $0 - now) } ?? limit
    }

    static let header = "traceparent"

    /// The shape alone: what it says is its readers' concern.
    static func isTraceparent(_ text: String) -> Bool {
        text.utf8.count >= 55 && text.utf8.count <= 256
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
