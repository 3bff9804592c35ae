public import OmniwayWire

/// What one loop has, at one moment: for those who look for what hangs or what fills the memory.
public struct LoopReport: Sendable {
    public let loop: Int
    public let turns: UInt64
    public let links: Int
    /// Sockets and listeners that are watched.
    public let sources: Int
    public let timers: Int
    public let tasks: Int
    /// Sockets that were closed and still have something to send.
    public let lingering: Int
    /// Most bytes that waited in one link's queue when the system did not take all of them.
    public let mostQueued: Int
    public let pool: [PoolUse]
    /// Bytes of its tables and buffers, by name; of tables that grow page by page, what is in use.
    public let tables: [(name: String, entries: Int, bytes: Int)]
}

/// One link, for a person to read.
public struct LinkReport: Sendable {
    public let id: LinkID
    public let state: Link.State
    public let peer: SocketAddress
    /// The type of what moves its bytes, and of what answers them.
    public let driver: String
    public let handler: String
    /// How its bytes are to be read, as the handler says.
    public let frameFormat: FrameFormat?
    public let queued: Int
    public let mostQueued: Int
    /// Bytes that its handler has left.
    public let unread: Int
    /// Bytes of the blocks that its queues have.
    public let held: Int
    /// Since anything came or went.
    public let quiet: Duration
}

extension Loop {
    /// What this loop has.
    public func report() -> LoopReport {
        LoopReport(
            loop: index, turns: turns, links: links.count, sources: sources.count, timers: timers.count, tasks: tasks,
            lingering: lingering, mostQueued: mostQueued, pool: pool.use,
            tables: [
                ("links", links.count, links.bytes), ("sources", sources.count, sources.bytes),
                ("timers", timers.count, timers.bytes),
                ("inbound buffer", 1, InboundBuffer.headroom + InboundBuffer.size),
            ])
    }

    /// Some of the links, as `linkReports` gives them.
    public func forEachLink(from slot: Int, atMost count: Int, _ body: (Link) -> Void) -> Int? {
        links.forEach(from: slot, atMost: count) { _, entry in body(entry.link) }
    }

    /// Some of the links, in the order of their slots from `slot` on, and where to go on: nil after the last.
    /// Ask for a few at a time: everybody else on the loop waits meanwhile.
    public func linkReports(from slot: Int, atMost count: Int) -> (links: [LinkReport], next: Int?) {
        var reports: [LinkReport] = []
        let next = links.forEach(from: slot, atMost: count) { _, entry in reports.append(entry.link.report) }
        return (reports, next)
    }
}

extension Link {
    fileprivate var report: LinkReport {
        LinkReport(
            id: id, state: state, peer: traits.peer, driver: "\(type(of: driver))", handler: "\(type(of: handler))",
            frameFormat: handler.frameFormat,
            queued: queued, mostQueued: max(mostQueued, queued), unread: unread.count,
            held: slot.payload.queue.held + unread.held, quiet: loop.now - max(lastHeard, lastSent))
    }

    /// Not all that was offered was taken: a queue is growing. On the way on which everything leaves at once nothing
    /// is counted.
    @inline(never)
    func queueWaits(_ count: Int) {
        mostQueued = max(mostQueued, count)
        loop.mostQueued = max(loop.mostQueued, count)
    }
}
