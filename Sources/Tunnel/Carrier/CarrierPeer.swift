public import OmniwayTransport
import OmniwayWire

/// The other end of a carrier: its command connection, and the connections that carry streams to and from it.
/// It lives on one loop.
public final class CarrierPeer {
    public let loop: Loop
    /// The id of the command connection, or of the last one.
    public internal(set) var id: String
    /// Calls over the command connection; nil while there is none.
    public internal(set) var invoker: Invoker?
    private(set) lazy var name = loop.name(self)
    /// Takes the peer's streams instead of the owner.
    public var intake: (any LinkIntake)?

    let settings: CarrierSettings
    /// What both ends know since the login; empty before.
    private(set) var key: [UInt8] = []
    private(set) var connections: [MuxConnection] = []
    /// Of sessions that are over, with streams that are not.
    private var leaving: [MuxConnection] = []
    private static let mostLeaving = 64
    /// Pre-authenticated, and waiting for a stream.
    private(set) var idle: [BulkWaiting] = []
    /// Streams that have a connection of their own; some may have ended.
    private var bulk: [LinkID] = []
    let budget: MuxBudget
    private weak var owner: (any CarrierOwner)?
    private var waiting: [MuxStream] = []
    private var isClosed = false
    /// There is a new command connection, and nobody knows yet whether its other end is that of the connections here:
    /// streams wait until it has said so.
    private var isResuming = false
    /// On the dialling side: asks for another data connection, and for idle ones.
    var wantsConnection: () -> Void = {}
    var wantsIdle: () -> Void = {}
    /// Nothing is left of it.
    var onEnd: () -> Void = {}

    init(on loop: Loop, id: String, settings: CarrierSettings, budget whole: MuxBudget, owner: any CarrierOwner) {
        (self.loop, self.id, self.settings, self.owner) = (loop, id, settings, owner)
        budget = MuxBudget(settings.peerBudget, of: whole)
    }

    /// Whose it is, as far as the command connection says.
    public var terminal: String { invoker?.terminal ?? "" }
    /// Streams and flows that are open.
    public var streamCount: Int { (connections + leaving).reduce(0) { $0 + $1.mux.streamCount } }
    /// Data connections that are open.
    public var connectionCount: Int { connections.count }
    /// Idle connections for bulk.
    public var idleCount: Int { idle.count }
    /// Streams that have a connection of their own.
    public var bulkCount: Int { bulk.count { loop.link($0) != nil } }

    /// The login has succeeded; both ends call this with the same bytes. Connections show by them whose they are.
    public func authorize(_ key: [UInt8]) {
        precondition(key.count >= 16, "a session key of 16 bytes at least")
        self.key = key
    }

    // MARK: Streams

    /// A stream to the peer, which may be written at once. While there is no data connection it waits for one.
    /// Nil when the loop has no room for another link.
    public func dial(
        deadline: Duration = .seconds(10), limits: QueueLimits? = nil, handler: any LinkHandler
    ) -> Link? {
        dial(isFlow: false, deadline, limits, handler)
    }

    /// A flow of datagrams to the peer: a link that keeps messages and may lose them.
    public func dialDatagrams(deadline: Duration = .seconds(10), handler: any LinkHandler) -> Link? {
        dial(isFlow: true, deadline, nil, handler)
    }

    /// A stream that will carry much: over a connection of its own, if one is ready.
    public func dialBulk(deadline: Duration = .seconds(10), handler: any LinkHandler) -> Link? {
        guard !isResuming, let idle = idle.popLast() else { return dial(deadline: deadline, handler: handler) }
        wantsIdle()
        return idle.give(to: handler)
    }

    private func dial(
        isFlow: Bool, _ deadline: Duration, _ limits: QueueLimits?, _ handler: any LinkHandler
    ) -> Link? {
        let stream = MuxStream(on: loop, isFlow: isFlow)
        let connection = choose()
        let link = stream.makeLink(over: connection?.carrier, limits ?? MuxStream.queue(isFlow: isFlow), handler)
        guard let link else { return nil }
        if let connection, connection.open(stream) { return link }
        waiting.removeAll { $0.link == nil }
        if waiting.count < settings.waiting, !key.isEmpty, !isClosed {
            link.connect(within: deadline)
            waiting.append(stream)
            wantsConnection()
        } else {
            link.close(.carrierLost.with("there is no data connection"))
        }
        return link
    }

    /// The least loaded connection, of those without bulk if there are any.
    private func choose() -> MuxConnection? {
        if isResuming { return nil }
        var best: MuxConnection?
        for connection in connections where connection.mayOpen {
            guard let other = best else {
                best = connection
                continue
            }
            let isBetter = connection.isBulk == other.isBulk ? connection.load < other.load : other.isBulk
            if isBetter { best = connection }
        }
        if best?.isBulk ?? true { wantsConnection() }
        return best
    }

    /// Connections that new streams may use without meeting bulk.
    var hasSpare: Bool { connections.contains { $0.mayOpen && !$0.isBulk } }

    // MARK: Connections

    func add(_ side: Mux.Side, over carrier: Link) {
        var limits = Mux.Limits()
        limits.streams = settings.streams
        let connection = MuxConnection(side, over: carrier, budget: budget, limits: limits, owner: self)
        connections.append(connection)
        connection.start()
        if !isResuming { letIn() }
    }

    /// Streams that have waited for a connection.
    private func letIn() {
        for stream in exchange(&waiting, with: []) where stream.link != nil {
            if choose()?.open(stream) != true { waiting.append(stream) }
        }
    }

    /// The connections that are here now lead to the other end of the command connection.
    func attached() {
        isResuming = false
        letIn()
    }

    /// Neither connections nor streams.
    var hasNothing: Bool { connections.isEmpty && idle.isEmpty && bulkCount == 0 }

    func addIdle(over carrier: Link) { idle.append(BulkWaiting(over: carrier, of: self)) }
    func removeIdle(_ ended: BulkWaiting) {
        idle.removeAll { $0 === ended }
        wantsIdle()
    }

    /// A stream has a connection of its own, which ends with the others.
    func note(bulk stream: Link) {
        // As often as there are twice as many as before.
        if bulk.count == bulk.capacity { bulk.removeAll { loop.link($0) == nil } }
        bulk.append(stream.id)
    }

    func acceptBulk(_ stream: Link) -> (any LinkHandler)? {
        intake.map { $0.accept(stream) } ?? owner?.acceptBulk(stream, from: self)
    }

    /// The connections of a peer that has lost its command connection are this one's.
    func takeOver(_ old: CarrierPeer) {
        for connection in exchange(&old.connections, with: []) {
            connection.owner = self
            connections.append(connection)
        }
        for idle in exchange(&old.idle, with: []) {
            idle.peer = self
            self.idle.append(idle)
        }
        bulk += exchange(&old.bulk, with: [])
    }

    /// Retires a connection that nobody uses, when there are more than are needed.
    func shrink() {
        guard connections.count > settings.connections.lowerBound else { return }
        guard let unused = connections.last(where: { $0.mux.streamCount == 0 && $0.mayOpen }) else { return }
        if connections.contains(where: { $0 !== unused && $0.mayOpen && !$0.isBulk }) { unused.goAway() }
    }

    // MARK: The command connection

    func open(_ invoker: Invoker) {
        (self.invoker, id) = (invoker, invoker.id)
        isResuming = !connections.isEmpty || !idle.isEmpty
        invoker.onClose = { [weak self] invoker, reason in self?.lost(invoker, reason) }
        owner?.opened(self)
    }

    private func lost(_ invoker: Invoker, _ reason: CloseReason) {
        guard self.invoker === invoker else { return }
        self.invoker = nil
        isResuming = false
        owner?.lost(self, reason)
        onEnd()
    }

    /// Ends everything; there will be no streams any more.
    public func close(_ reason: CloseReason = .done) {
        isClosed = true
        invoker?.close(reason)
        closeConnections(reason)
    }

    func closeConnections(_ reason: CloseReason) {
        for connection in connections + leaving { connection.carrier?.close(reason) }
        for stream in exchange(&bulk, with: []) { loop.link(stream)?.close(.carrierLost) }
        for idle in idle { idle.link?.close(reason) }
        for stream in exchange(&waiting, with: []) { stream.link?.close(.carrierLost) }
    }

    /// The other end does not have the connections of the session before: they end with their streams, or when who
    /// has them closes them.
    func retireConnections() {
        isResuming = false
        for idle in idle { idle.link?.close(.carrierLost) }
        let old = exchange(&connections, with: [])
        leaving += old
        for connection in old { connection.goAway() }
        for connection in leaving.dropLast(Self.mostLeaving) { connection.carrier?.close(.carrierLost) }
    }
}

extension CarrierPeer: MuxOwner {
    func accept(_ stream: Link, on connection: MuxConnection) -> (any LinkHandler)? {
        intake.map { $0.accept(stream) } ?? owner?.accept(stream, from: self)
    }
    func becomesBulk(_ connection: MuxConnection) { if !hasSpare { wantsConnection() } }
    func retires(_ connection: MuxConnection) { if !hasSpare { wantsConnection() } }

    func ended(_ connection: MuxConnection, _ reason: CloseReason) {
        connections.removeAll { $0 === connection }
        leaving.removeAll { $0 === connection }
        if !hasSpare { wantsConnection() }
    }
}

/// A connection that waits for its one stream. At the end that accepts, the stream begins with its first byte.
final class BulkWaiting: LinkHandler {
    weak var peer: CarrierPeer?
    private(set) var link: Link?
    /// Given away, and whoever has it is to hear that it is open.
    private var opening: Link?

    init(over link: Link, of peer: CarrierPeer) {
        (self.link, self.peer) = (link, peer)
        link.handler = self
    }

    /// The link, with a handler that hears soon that it is open.
    func give(to handler: any LinkHandler) -> Link? {
        guard let link = exchange(&link, with: nil) else { return nil }
        link.handler = handler
        peer?.note(bulk: link)
        opening = link
        link.loop.after(.zero, self)
        return link
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        self.link = nil
        let peer = peer
        peer?.removeIdle(self)
        guard let handler = peer?.acceptBulk(link) else {
            link.close(.reset.with("nobody wanted the stream"))
            return bytes.byteCount
        }
        peer?.note(bulk: link)
        link.handler = handler
        handler.opened(link)
        return 0
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        peer?.removeIdle(self)
    }
}

extension BulkWaiting: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let link = exchange(&opening, with: nil), link.state == .open else { return }
        link.handler.opened(link)
    }
}
