/// One thing that was done because of a request, and when.
package struct TraceSpan: Sendable, Equatable {
    package enum Kind: Int, Sendable { case inside = 1, server, client }

    package let context: TraceContext
    /// The span that it is a part of; nil for the first.
    package let parent: UInt64?
    package let name: String
    package let kind: Kind
    package let start: Timestamp
    package let end: Timestamp
    package let attributes: [String: String]
    /// What went wrong; nil when nothing did.
    package let failure: String?

    package init(
        _ context: TraceContext, parent: UInt64?, _ name: String, _ kind: Kind, from start: Timestamp,
        to end: Timestamp, attributes: [String: String], failure: String? = nil
    ) {
        (self.context, self.parent, self.name, self.kind) = (context, parent, name, kind)
        (self.start, self.end, self.attributes, self.failure) = (start, end, attributes, failure)
    }
}

/// Spans of all loops that wait to be sent. When there are as many as may be, further ones are dropped and counted.
package final class SpanQueue: Sendable {
    private let state = Lock((spans: [TraceSpan](), dropped: UInt64(0)))
    private let limit: Int

    package init(limit: Int) { self.limit = limit }

    package func add(_ span: TraceSpan) {
        state.withLock { state in
            if state.spans.count < limit { state.spans.append(span) } else { state.dropped += 1 }
        }
    }

    package var count: Int { state.withLock { $0.spans.count } }

    /// The oldest ones, at most so many, and how many were dropped since the last time.
    package func take(_ most: Int) -> (spans: [TraceSpan], dropped: UInt64) {
        state.withLock { state in
            let spans = Array(state.spans.prefix(most))
            state.spans.removeFirst(spans.count)
            return (spans, exchange(&state.dropped, with: 0))
        }
    }
}
