public import OmniwayTransport
public import OmniwayWire

/// One client, from its connection to its end. It stays on its loop; other loops and tasks hold its `player`.
///
/// Its messages begin in the order in which they came. One that waits does not hold up the next, nor other sessions:
/// after an `await` other messages may have run, and the session may have ended. What is sent to it then is dropped.
public final class Session {
    /// Counted from one, in the whole server.
    public let id: Int64
    /// Who this is, once `bind` has said so and no hook has refused it.
    public private(set) var uid: String?
    private var isBinding = false
    /// What the application remembers of the session. In a cluster it goes along to other servers.
    public var data: JSON.Object = [:]
    /// What the client has said when it came; nil before.
    public internal(set) var handshake: Handshake?
    /// Why it has ended; nil until those are told who wanted to know.
    private(set) var endReason: CloseReason?
    /// Where clients connect from.
    let link: Link
    let place: SessionPlace
    let shard: AppShard
    private var whenClosed: [@Sendable (Session, CloseReason) -> Void] = []
    private var expiry: TimerID?

    init(_ link: Link, _ shard: AppShard) {
        id = shard.directory.newID()
        (self.link, self.shard) = (link, shard)
        place = SessionPlace(loop: shard.index, link: link.id, id: id)
    }

    /// False as soon as either side has ended it.
    public var isOpen: Bool { link.state != .closed }
    private var connection: AppConnection? { isOpen ? link.handler as? AppConnection : nil }

    public var address: SocketAddress { link.traits.peer }
    /// What TLS knows of the client, where there is TLS.
    public var tls: TLSInfo? { link.tls }
    /// The same client, for other loops and tasks.
    public var player: Player { Player(id: id, uid: uid, place: place, mailbox: shard.mailbox) }

    // MARK: Sending

    /// Sends a message that nobody has asked for. In one server it arrives before the answer to a message that is being
    /// handled. To a client that is not in yet it goes when it is. Throws when a packet cannot hold it.
    public func push<Value>(_ route: String, _ value: Value) throws {
        try connection?.push(route, try shard.plan.serializer.body(of: value))
    }

    /// Tells the client to leave, and closes.
    public func kick() { connection?.kick(.kicked) }

    public func close(_ reason: CloseReason = .done) { link.close(reason) }

    // MARK: Who it is

    /// Says who this is. Of several sessions of one user the newest stays, and the others are kicked.
    public nonisolated(nonsending) func bind(_ uid: String) async throws {
        guard !uid.isEmpty else { throw AppError(AppError.unknown, "illegal uid") }
        guard self.uid == nil, !isBinding else {
            throw AppError(AppError.unknown, "session is already bound to an uid")
        }
        isBinding = true
        defer { isBinding = false }
        for hook in shard.plan.bindHooks { try await hook(self, uid) }
        guard isOpen else { throw AppError(AppError.gone, "the session ended while it was bound") }
        self.uid = uid
        if let older = shard.directory.bind(uid, at: place) { shard.server?.kick(older, .replaced) }
        for hook in shard.plan.boundHooks { try await hook(self, uid) }
    }

    /// Closes the session when the time is over: a token holds for so long. Called again, by a handler that has seen a
    /// new token, it counts from then.
    public func expire(after time: Duration) {
        let loop = shard.loop
        if let expiry { loop.cancel(expiry) }
        expiry = connection.map { loop.after(time, $0, token: AppConnection.expiryToken) }
    }

    // MARK: What it remembers

    /// A value of `data` by its type; nil when there is none, or one of another type.
    public subscript<Value: SessionValue>(key: String, as type: Value.Type = Value.self) -> Value? {
        get { data[key].flatMap(Value.init(sessionValue:)) }
        set { data[key] = newValue?.sessionValue }
    }

    // MARK: The end

    /// Called when the session ends; at once when it has.
    public func onClose(_ body: @escaping @Sendable (Session, CloseReason) -> Void) {
        if let endReason { body(self, endReason) } else { whenClosed.append(body) }
    }

    func ended(_ reason: CloseReason) {
        endReason = reason
        if let expiry { shard.loop.cancel(expiry) }
        for body in exchange(&whenClosed, with: []) { body(self, reason) }
        for body in shard.plan.closeHooks { body(self, reason) }
        if let uid { shard.directory.unbind(uid, at: place) }
    }
}

/// What a session can remember and take along to another server.
public protocol SessionValue {
    init?(sessionValue: JSON)
    var sessionValue: JSON { get }
}

extension String: SessionValue {
    public init?(sessionValue value: JSON) {
        guard case .string(let text) = value else { return nil }
        self = text
    }
    public var sessionValue: JSON { .string(self) }
}

extension Bool: SessionValue {
    public init?(sessionValue value: JSON) {
        guard case .bool(let value) = value else { return nil }
        self = value
    }
    public var sessionValue: JSON { .bool(self) }
}

extension Int: SessionValue {
    public init?(sessionValue value: JSON) {
        guard case .number(let number) = value, let whole = number.int64 else { return nil }
        self = Int(whole)
    }
    public var sessionValue: JSON { JSON(self) }
}

extension Double: SessionValue {
    public init?(sessionValue value: JSON) {
        guard case .number(let number) = value, let value = number.double else { return nil }
        self = value
    }
    public var sessionValue: JSON { JSON(self) }
}

extension JSON: SessionValue {
    public init?(sessionValue value: JSON) { self = value }
    public var sessionValue: JSON { self }
}
