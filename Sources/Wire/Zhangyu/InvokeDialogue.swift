/// The calls of one connection, both ways: those of this end that wait for an answer, and how many of the peer's are
/// being answered. Whoever waits is known by a tag. Times are counted from any moment that stays the same.
package struct InvokeDialogue: Sendable {
    package typealias Tag = UInt64

    /// What is at a path of this end.
    package enum Kind: Sendable { case oneWay, twoWay }

    package enum Action: Equatable {
        /// To be handled now: one-way requests keep their order.
        case perform(InvokeRequest)
        /// To be handled, and answered: `answered` says when that was done.
        case answer(InvokeRequest)
        /// Nobody handles it here, and the peer waits.
        case refuse(InvokeResponse)
        /// A call of this end has its answer.
        case finish(Tag, InvokeResponse)
        /// An answer that came too late, or a one-way request that nobody handles.
        case ignore
    }

    private struct Call {
        let id: String
        let deadline: Duration
    }

    private let mostCalls: Int
    private let mostAnswers: Int
    private var calls: [String: Tag] = [:]
    private var waiting: [Tag: Call] = [:]
    /// Deadlines of calls, most of which have ended by then. Sorted as far as callers wait equally long.
    private var deadlines: [(deadline: Duration, tag: Tag)] = []
    private var firstDeadline = 0
    private var nextTag: Tag = 0
    private var answering = 0

    package init(mostCalls: Int = 65_536, mostAnswers: Int = 64) {
        (self.mostCalls, self.mostAnswers) = (mostCalls, mostAnswers)
    }

    package var callCount: Int { waiting.count }
    package var answerCount: Int { answering }

    /// False while as many requests are being answered as may be: the peer is not read then.
    package var mayRead: Bool { answering < mostAnswers }

    // MARK: This end

    /// Remembers a call that is about to be written. Nil when too many wait, or one with this id does.
    package mutating func call(_ id: String, until deadline: Duration) -> Tag? {
        guard waiting.count < mostCalls, calls[id] == nil else { return nil }
        nextTag += 1
        calls[id] = nextTag
        waiting[nextTag] = Call(id: id, deadline: deadline)
        var at = deadlines.count
        while at > firstDeadline, deadlines[at - 1].deadline > deadline { at -= 1 }
        deadlines.insert((deadline, nextTag), at: at)
        return nextTag
    }

    /// Nobody waits for this one any more; its answer will be ignored.
    package mutating func giveUp(_ tag: Tag) {
        if let call = waiting.removeValue(forKey: tag) { calls[call.id] = nil }
    }

    /// Calls whose time is over, the first first. Nobody waits for them afterwards.
    package mutating func expire(at now: Duration) -> [Tag] {
        var expired: [Tag] = []
        while firstDeadline < deadlines.count, deadlines[firstDeadline].deadline <= now {
            let tag = deadlines[firstDeadline].tag
            firstDeadline += 1
            guard waiting[tag] != nil else { continue }
            giveUp(tag)
            expired.append(tag)
        }
        forgetEnded()
        return expired
    }

    /// When `expire` is to be asked next; nil when nothing waits.
    package mutating func nextDeadline() -> Duration? {
        while firstDeadline < deadlines.count, waiting[deadlines[firstDeadline].tag] == nil { firstDeadline += 1 }
        forgetEnded()
        return firstDeadline < deadlines.count ? deadlines[firstDeadline].deadline : nil
    }

    /// Those that have ended before their deadline are not kept until then.
    private mutating func forgetEnded() {
        if firstDeadline == deadlines.count {
            deadlines.removeAll(keepingCapacity: true)
            firstDeadline = 0
        } else if firstDeadline >= 64, firstDeadline * 2 >= deadlines.count {
            deadlines.removeFirst(firstDeadline)
            firstDeadline = 0
        }
        guard deadlines.count >= 64, deadlines.count - firstDeadline > 4 * waiting.count else { return }
        deadlines = deadlines[firstDeadline...].filter { waiting[$0.tag] != nil }
        firstDeadline = 0
    }

    /// The connection has ended. Who waited, in the order of the calls.
    package mutating func endAll() -> [Tag] {
        let tags = waiting.keys.sorted()
        self = InvokeDialogue(mostCalls: mostCalls, mostAnswers: mostAnswers)
        return tags
    }

    // MARK: The peer

    /// `kind` is what this end has at the path of a request; nil when nothing.
    package mutating func receive(_ message: InvokeMessage, kind: Kind?) -> Action {
        switch message {
        case .response(let response):
            guard let tag = calls[response.id] else { return .ignore }
            giveUp(tag)
            return .finish(tag, response)
        case .request(let request):
            switch kind {
            case .oneWay: return .perform(request)
            case .twoWay:
                answering += 1
                return .answer(request)
            case nil:
                guard request.saysTwoWay else { return .ignore }
                let words = "nothing is at \(request.path)"
                return .refuse(InvokeResponse(to: request.id, .notFound, message: words))
            }
        }
    }

    /// A request of the peer has been answered.
    package mutating func answered() { answering = max(0, answering - 1) }
}
