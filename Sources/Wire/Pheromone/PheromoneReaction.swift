/// What the original's protocol makes of a message. It has no memory: any message may come at any time.
package enum PheromoneReaction: Equatable, Sendable {
    /// Somebody has made itself known. Answered with `connectresp`.
    case greeted(PheromoneGreeting)
    case answer(PheromoneOperation)
    /// The session is over.
    case ends
    /// Answered with `unknownop`.
    case unknown
    /// The other side has answered `unknownop`. The original answers that with the same, without end.
    case notUnderstood

    package init(to message: PheromoneMessage) throws(MeshError) {
        switch message.operation {
        case .connectRequest: self = .greeted(try PheromoneGreeting(message.data))
        case .noticeResponse: self = .ends
        case .unknown: self = .notUnderstood
        default: self = message.operation.answer.map { .answer($0) } ?? .unknown
        }
    }
}
