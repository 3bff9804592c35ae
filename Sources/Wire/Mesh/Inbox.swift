/// What has come to this node alone, and what it has answered: so that what is sent again is not done again. Answers
/// are kept for a while. After that it is still known that a request was here, and it is not done a second time.
struct Inbox: Sendable {
    enum Verdict: Equatable, Sendable {
        case new
        /// It was received, and there is no answer to it yet, or none at all.
        case repeated
        case answered(MeshStatus, [UInt8])
        /// Whether it was done is not known.
        case forgotten
        /// It is of a start of the source that is over.
        case stale
        case full
    }

    private struct Source: Sendable {
        var seen: SeenWindow
        var heardAt: Duration
        var answers: [UInt64: Answer] = [:]
    }
    private struct Answer: Sendable {
        let status: MeshStatus
        let bytes: [UInt8]
    }
    private struct Kept: Sendable {
        let source: NodeID
        let epoch: UInt64
        let sequence: UInt64
        let until: Duration
        let size: Int
    }

    private let settings: Settings
    private var sources: [NodeID: Source] = [:]
    private var order: [Kept] = []
    private var head = 0
    private(set) var bytes = 0

    struct Settings: Sendable {
        var answerTime = Duration.seconds(60)
        var answerBytes = 4 << 20
        var sources = 4096
    }

    init(_ settings: Settings = Settings()) { self.settings = settings }

    /// What is to be done with a message. A new one is noted.
    mutating func receive(_ sequence: UInt64, of node: NodeID, epoch: UInt64, at now: Duration) -> Verdict {
        expire(now)
        if sources[node] == nil, !makeRoom(now) { return .full }
        guard var source = sources[node], source.seen.epoch >= epoch else {
            sources[node] = Source(
                seen: SeenWindow(epoch: epoch, first: sequence, before: SeenWindow.size - 1), heardAt: now)
            return .new
        }
        guard source.seen.epoch == epoch else { return .stale }
        if let answer = source.answers[sequence] { return .answered(answer.status, answer.bytes) }
        if source.seen.isForgotten(sequence) { return .forgotten }
        let isNew = source.seen.insert(sequence)
        source.heardAt = now
        sources[node] = source
        return isNew ? .new : .repeated
    }

    /// Keeps the answer to a request.
    mutating func answer(
        _ sequence: UInt64, of node: NodeID, epoch: UInt64, _ status: MeshStatus, _ answer: [UInt8], at now: Duration
    ) {
        guard sources[node]?.seen.epoch == epoch else { return }
        sources[node]?.answers[sequence] = Answer(status: status, bytes: answer)
        let size = answer.count + 64
        order.append(
            Kept(source: node, epoch: epoch, sequence: sequence, until: now + settings.answerTime, size: size))
        bytes += size
        while bytes > settings.answerBytes, head < order.count { dropOldest() }
    }

    private mutating func expire(_ now: Duration) {
        while head < order.count, order[head].until <= now { dropOldest() }
    }

    private mutating func dropOldest() {
        let kept = order[head]
        head += 1
        bytes -= kept.size
        if sources[kept.source]?.seen.epoch == kept.epoch { sources[kept.source]?.answers[kept.sequence] = nil }
        if head >= 64, head * 2 >= order.count {
            order.removeFirst(head)
            head = 0
        }
    }

    /// Only who was silent for longer than anything is sent again is forgotten.
    private mutating func makeRoom(_ now: Duration) -> Bool {
        guard sources.count >= settings.sources else { return true }
        let silent = sources.filter { now - $0.value.heardAt > settings.answerTime }.map(\.key)
        for node in silent { sources[node] = nil }
        return !silent.isEmpty
    }
}
