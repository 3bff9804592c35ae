import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// One client, from its connection to its end. It stays on its loop; other loops and tasks hold its `player`.
///
/// Its messages begin in the order in which they came. One that waits does not hold up the next, nor other sessions:
/// after an `await` other messages may have run, and the session may have ended. What is sent to it then is dropped.
public final class Session {
    /// Counted in the whole server: from one, in a cluster from anywhere.
    public let id: Int64
    let home: Home
    /// Who this is, once `bind` has said so and no hook has refused it.
    public private(set) var uid: String?
    private var isBinding = false
    /// What the application remembers of the session. In a cluster it goes along to other servers; what those change
    /// goes back by `pushToFront`.
    public var data: JSON.Object = [:] { didSet { encodedData = nil } }
    private var encodedData: [UInt8]?
    /// What the client has said when it came; nil before.
    public internal(set) var handshake: Handshake? {
        didSet { if shard.plan.tracer?.settings.followsClients == true { trace = TraceContext(handshake: handshake) } }
    }
    /// What the client does, and its messages are a part of; nil when it has not said so.
    private(set) var trace: TraceContext?
    /// Why it has ended; nil until those are told who wanted to know.
    private(set) var endReason: CloseReason?
    let shard: AppShard
    private var whenClosed: [@Sendable (Session, CloseReason) -> Void] = []
    private var expiry: TimerID?
    /// In a cluster, what makes the user this session's.
    private(set) var claim: UserClaim?

    /// Where the client is connected.
    enum Home {
        case here(Link)
        /// To another server, which has forwarded a message: the session lives as long as that is handled.
        case elsewhere(Frontend)
    }

    init(_ home: Home, _ shard: AppShard, uid: String? = nil) {
        id = shard.directory.newID()
        (self.home, self.shard, self.uid) = (home, shard, uid)
    }

    /// False as soon as either side has ended it. What became of a session at another server is not known here.
    public var isOpen: Bool { if case .here(let link) = home { link.state != .closed } else { true } }
    var link: Link? { if case .here(let link) = home { link } else { nil } }
    private var connection: AppConnection? { isOpen ? link?.handler as? AppConnection : nil }
    var place: SessionPlace? { link.map { SessionPlace(loop: shard.index, link: $0.id, id: id) } }

    /// Where the client connects from; nil when it is connected to another server.
    public var address: SocketAddress? { link?.traits.peer }
    /// What TLS knows of the client, where there is TLS.
    public var tls: TLSInfo? { link?.tls }
    /// The id of the server to which the client is connected.
    public var frontendID: String { if case .elsewhere(let frontend) = home { frontend.id } else { shard.app.id } }
    /// The same client, for other loops and tasks.
    public var player: Player { Player(id: id, uid: uid, place: place, mailbox: shard.mailbox) }

    // MARK: Sending

    /// Sends a message that nobody has asked for. In one server it arrives before the answer to a message that is being
    /// handled. To a client that is not in yet it goes when it is. Throws when a packet cannot hold it.
    public func push<Value>(_ route: String, _ value: Value) throws {
        let body = try shard.plan.serializer.body(of: value)
        switch home {
        case .here: try connection?.push(route, body)
        case .elsewhere(let frontend): try frontend.push(route, body, to: uid)
        }
    }

    /// Tells the client to leave, and closes.
    public func kick() {
        switch home {
        case .here: connection?.kick(.kicked)
        case .elsewhere(let frontend): frontend.kick(uid)
        }
    }

    /// Closes without a word. A session that is at another server is kicked.
    public func close(_ reason: CloseReason = .done) { if let link { link.close(reason) } else { kick() } }

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
        switch home {
        case .here: try await claim(uid)
        case .elsewhere(let frontend): try await frontend.bind(uid)
        }
        try checkStillThere()
        self.uid = uid
        if let place, let older = shard.directory.bind(uid, at: place) { shard.server?.kick(older, .replaced) }
        for hook in shard.plan.boundHooks { try await hook(self, uid) }
    }

    private nonisolated(nonsending) func claim(_ uid: String) async throws {
        guard let cluster = shard.cluster else { return }
        let claim = try UserClaim(uid, cluster)
        shard.directory.beginClaim(uid)
        do {
            try await claim.make()
            try checkStillThere()
        } catch {
            shard.directory.endClaim(uid)
            claim.cancel()
            if shard.directory.isFree(uid) { claim.end() }
            throw error
        }
        shard.directory.endClaim(uid)
        self.claim = claim
    }

    private func checkStillThere() throws(AppError) {
        if isOpen, endReason == nil { return }
        throw AppError(AppError.gone, "the session ended while it was bound")
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

    /// As it goes along with a message.
    var dataBytes: [UInt8] {
        if let encodedData { return encodedData }
        let bytes = JSON.Writer(escaping: .go).bytes(of: .object(data.sortedByKeys))
        encodedData = bytes
        return bytes
    }

    /// Replaces what the server remembers where the client is connected. Nothing is to be done on that server itself.
    public nonisolated(nonsending) func pushToFront() async throws {
        if case .elsewhere(let frontend) = home { try await frontend.set(dataBytes, of: uid) }
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
        if let uid, let place, shard.directory.unbind(uid, at: place) { claim?.end() }
        claim?.cancel()
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
