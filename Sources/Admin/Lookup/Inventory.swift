public import OmniwayTransport

/// What a face can say about its connections, for `lookup goroutine`, `lookup block` and `lookup heap`.
///
/// ```swift
/// Inventory("clients") { loop, from in
///     await shards[loop.index].run { _, shard in shard.page(from: from) }
/// }
/// ```
public struct Inventory: Sendable {
    /// Asks for what is on one loop, from a place on. It must not wait for anything else than that loop.
    public typealias Ask = @Sendable (_ loop: EventLoop, _ from: Int) async -> InventoryPage

    let name: String
    let ask: Ask

    /// `ask` is called for each loop, first with 0 and then with what the page before said.
    public init(_ name: String, _ ask: @escaping Ask) { (self.name, self.ask) = (name, ask) }
}

/// Some of a face's connections on one loop: a few hundred at most, because everybody else there waits meanwhile.
public struct InventoryPage: Sendable {
    public var connections: [ConnectionRecord] = []
    /// On the first page only.
    public var tables: [TableRecord] = []
    /// Where to go on; nil after the last.
    public var next: Int?

    public init() {}
}

/// One physical connection.
public struct ConnectionRecord: Sendable {
    /// Which side of the face it is on: `client`, `server`.
    public var side: String
    /// Its name in the face's protocol.
    public var id: String
    public var peer: SocketAddress
    /// The link under it. A link that a face has told of is not listed again.
    public var link: LinkID
    /// Virtual connections over it.
    public var virtual = 0
    /// Bytes that wait to be sent.
    public var queued = 0
    /// Bytes that it holds in all.
    public var held = 0
    /// Since anything came or went.
    public var quiet = Duration.zero
    /// What a stream that survives its socket is doing; empty when there is none.
    public var session = ""

    public init(side: String, id: String, peer: SocketAddress, link: LinkID = .none) {
        (self.side, self.id, self.peer, self.link) = (side, id, peer, link)
    }
}

/// What holds memory and is no connection.
public struct TableRecord: Sendable {
    public var name: String
    public var entries: Int
    public var bytes: Int

    public init(_ name: String, entries: Int, bytes: Int) {
        (self.name, self.entries, self.bytes) = (name, entries, bytes)
    }
}
