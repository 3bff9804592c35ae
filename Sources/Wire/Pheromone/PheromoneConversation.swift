/// When messages go out on a kept connection. The original takes one read for one message, so it must never find two:
/// the next one leaves when the last one was answered, or when the other side has had time to read it.
///
/// Times are counted from any moment that stays the same.
package struct PheromoneConversation: Sendable {
    private struct Outgoing: Sendable {
        let operation: PheromoneOperation
        let bytes: [UInt8]
    }

    /// How long the other side has for reading a message.
    private let patience: Duration
    private let mostWaiting: Int
    private var waiting: [Outgoing] = []
    /// What was sent last, until it is answered or its time is over.
    private var unanswered: (operation: PheromoneOperation, until: Duration)?
    private var saidUnknown = false
    /// The session under way: who began it, and when it counts as given up.
    private var session: (isOurs: Bool, until: Duration)?

    /// How long a session may stand still.
    package static let sessionLimit = Duration.seconds(2)

    package init(patience: Duration, mostWaiting: Int) { (self.patience, self.mostWaiting) = (patience, mostWaiting) }

    package var waitingCount: Int { waiting.count }

    /// A message of this side. It waits for its turn.
    package mutating func dispatch(_ message: PheromoneMessage) throws(MeshError) {
        guard waiting.count < mostWaiting else { throw .queueFull(waiting.count) }
        waiting.append(Outgoing(operation: message.operation, bytes: try message.bytesToSend()))
    }

    /// A message of the other side.
    package mutating func received(_ operation: PheromoneOperation, at now: Duration) {
        if let sent = unanswered?.operation, Self.mayAnswer(operation, sent) { unanswered = nil }
        switch operation {
        case .connectRequest: session = (isOurs: false, until: now + Self.sessionLimit)
        case .noticeResponse, .unknown: session = nil
        default: prolong(at: now)
        }
    }

    /// The answer to a message that was received. It goes before what else waits, so that the other side goes on.
    /// False when it must not be sent: nothing answers `unknownop`, and `unknownop` is said once.
    package mutating func answer(
        _ received: PheromoneOperation, with message: PheromoneMessage
    ) throws(MeshError) -> Bool {
        guard received != .unknown, !(message.operation == .unknown && saidUnknown) else { return false }
        guard waiting.count < mostWaiting else { throw .queueFull(waiting.count) }
        waiting.insert(Outgoing(operation: message.operation, bytes: try message.bytesToSend()), at: 0)
        if message.operation == .unknown { saidUnknown = true }
        return true
    }

    /// The message that may leave now. Ask again at `deadline`, and when something was received or dispatched.
    package mutating func next(at now: Duration) -> [UInt8]? {
        if let unanswered, now < unanswered.until { return nil }
        unanswered = nil
        guard !waiting.isEmpty else { return nil }
        let message = waiting.removeFirst()
        unanswered = (message.operation, now + patience)
        switch message.operation {
        case .connectRequest: session = (isOurs: true, until: now + Self.sessionLimit)
        case .noticeResponse, .unknown: session = nil
        default: prolong(at: now)
        }
        return message.bytes
    }

    /// When the next message may leave although nothing was heard; nil when none waits.
    package var deadline: Duration? { waiting.isEmpty ? nil : unanswered?.until }

    /// A session is under way, so another connection should not take over.
    package func isBusy(at now: Duration) -> Bool { session.map { now < $0.until } ?? false }

    /// This side has begun a session that is not over.
    package func owesSession(at now: Duration) -> Bool { session.map { $0.isOurs && now < $0.until } ?? false }

    private mutating func prolong(at now: Duration) {
        if let session { self.session = (session.isOurs, now + Self.sessionLimit) }
    }

    /// Messages may cross. What is none of the original's words may be the answer to anything.
    private static func mayAnswer(_ operation: PheromoneOperation, _ sent: PheromoneOperation) -> Bool {
        guard sent.isKnown, operation.isKnown else { return true }
        return operation == .unknown || operation == sent.answer
    }
}
