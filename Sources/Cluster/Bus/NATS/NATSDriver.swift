import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A port's connection to a cluster of NATS servers: which server, when to try again, and the move to another one
/// before a server ends.
final class NATSDriver: BusDriver {
    let settings: NATSSettings
    private let tls: [String: TLSClient]
    private let loop: Loop
    private var port: BusPort?
    private var pool: NATSServerPool
    /// What goes out goes through it.
    private var current: NATSConnection?
    /// The one that is being connected: the first, or the next while there is one.
    private var coming: NATSConnection?
    /// It has let us in; the subscriptions from this slot on are not there yet.
    private var renewing: Int?
    /// Those before the current one, until they end.
    private var leaving: [NATSConnection] = []
    private var isMoving = false
    /// The requests that have come since the move began, to know those that come again.
    private var seen: Set<UInt64> = []
    /// Attempts since there was a connection.
    private var failures = 0
    private var timer: TimerID?

    private static let connectToken: UInt64 = 0

    init(_ settings: NATSSettings, tls: [String: TLSClient], on loop: Loop) {
        (self.settings, self.tls, self.loop) = (settings, tls, loop)
        pool = NATSServerPool(settings.servers, random: &loop.random)
    }

    var counters: BusCounters? { port?.counters }
    var maxPayload: Int { current?.info.maxPayload ?? NATSServerInfo().maxPayload }

    func start(for port: BusPort) {
        self.port = port
        connect()
    }

    // MARK: From the port

    func publish(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payload: RawSpan) throws(BusError) {
        guard let current else { throw .away("there is no connection") }
        try current.publish(subject, reply: reply, headers: headers, payload: payload)
    }

    func subscribe(_ subject: String, group: String?, sid: UInt64) {
        current?.subscribe(subject, group: group, sid: sid)
        // What is not renewed yet will be.
        if let renewing, BusSubscriptions.slot(of: sid) < renewing {
            coming?.subscribe(subject, group: group, sid: sid)
        }
    }

    func unsubscribe(_ sid: UInt64) {
        current?.unsubscribe(sid)
        if let renewing, BusSubscriptions.slot(of: sid) < renewing { coming?.unsubscribe(sid) }
    }

    func flush(_ number: UInt64) {
        guard let current else { return flushed(number, .away("there is no connection")) }
        current.flush(number)
    }

    func close() {
        port = nil
        if let timer { loop.cancel(timer) }
        let all = [current, coming].compactMap(\.self) + leaving
        (current, coming, leaving, renewing) = (nil, nil, [], nil)
        for connection in all { connection.close(.done) }
    }

    // MARK: Connecting

    private func connect() {
        // A pause before another try may end when there is nothing to try for any more.
        guard port != nil, coming == nil, current?.info.isLeaving ?? true else { return }
        guard let server = pool.next(besides: current?.server) else { return }  // Nowhere to move to.
        let needsTLS = server.usesTLS || settings.tls != nil
        let connection = NATSConnection(to: server, tls: needsTLS ? tls[server.tlsHost] : nil, for: self)
        coming = connection
        if !connection.begin(on: loop, settings) { ended(connection, .tooManyLinks) }
    }

    /// The server has let us in.
    func ready(_ connection: NATSConnection) {
        guard connection === coming, let port else { return connection.close(.done) }
        failures = 0
        port.counters.connections.add(1)
        learn(from: connection)
        if current != nil { isMoving = true }
        connection.subscribe(port.inboxSubject, group: nil, sid: BusSubscriptions.inbox)
        renew(from: 0, connection, port)
    }

    /// Subscribes to all again, a queue at a time.
    private func renew(from slot: Int, _ connection: NATSConnection, _ port: BusPort) {
        let rest = port.subscriptions.active(from: slot) { subscription in
            connection.subscribe(subscription.subject, group: subscription.group, sid: subscription.sid)
            return !connection.isFull
        }
        renewing = rest ?? .max
        if rest == nil { connection.renewed() }
    }

    func writable(_ connection: NATSConnection) {
        if connection === coming, let renewing, renewing != .max, let port { renew(from: renewing, connection, port) }
    }

    /// The server knows all subscriptions: everything goes through it from now on.
    func renewed(_ connection: NATSConnection) {
        guard connection === coming, let port else { return }
        let before = current
        (current, coming, renewing) = (connection, nil, nil)
        Log.shared.notice("bus connected", ["server": "\(connection.server)", "loop": "\(loop.index)"])
        if let before { leave(before, port) }
        port.becomes(.open)
        informed(by: connection)
    }

    // MARK: Leaving

    /// Answers to what was asked before may still come through it, and what was published before did.
    private func leave(_ connection: NATSConnection, _ port: BusPort) {
        _ = port.subscriptions.active(from: 0) { subscription in
            connection.unsubscribe(subscription.sid)
            return true
        }
        leaving.append(connection)
        loop.after(settings.leaveLimit, Leaving(connection))
    }

    func informed(by connection: NATSConnection) {
        learn(from: connection)
        guard connection === current, connection.info.isLeaving, coming == nil else { return }
        Log.shared.notice("bus server will end soon", ["server": "\(connection.server)", "loop": "\(loop.index)"])
        connect()
    }

    private func learn(from connection: NATSConnection) {
        if settings.usesDiscovered { pool.learn(connection.info.others, from: connection.server) }
    }

    // MARK: From connections

    @inline(__always)
    func received(_ bytes: RawSpan, _ message: NATSMessage, from connection: NATSConnection) {
        if isMoving, isCopy(bytes, message) { return }
        port?.deliver(bytes, message)
    }

    /// While two servers send, a request that reaches both comes twice. It has a reply subject of its own, by which the
    /// second is known; messages without one cannot be told from others that are the same.
    private func isCopy(_ bytes: RawSpan, _ message: NATSMessage) -> Bool {
        guard !message.reply.isEmpty, message.sid != BusSubscriptions.inbox, seen.count < Self.mostSeen else {
            return false
        }
        var hash = 0xcbf2_9ce4_8422_2325 ^ message.sid
        for index in message.reply { hash = (hash ^ UInt64(bytes.byte(index))) &* 0x100_0000_01b3 }
        if seen.insert(hash).inserted { return false }
        counters?.duplicates.add(1)
        return true
    }
    private static let mostSeen = 65_536

    func flushed(_ number: UInt64, _ error: BusError? = nil) { port?.flushed(number, error) }

    func ended(_ connection: NATSConnection, _ reason: CloseReason) {
        guard let port else { return }
        if connection === current {
            current = nil
            port.counters.losses.add(1)
            port.lost(words(connection, reason))
            if reason == .shutdown { return port.close() }
            Log.shared.warning("bus lost", ["server": "\(connection.server)", "reason": "\(reason)"])
            if coming == nil { connectLater() }
        } else if connection === coming {
            (coming, renewing) = (nil, nil)
            if reason == .shutdown { return port.close() }
            if current == nil { port.becomes(.away(words(connection, reason))) }
            failures += 1
            connectLater()
        } else {
            leaving.removeAll { $0 === connection }
        }
        if leaving.isEmpty, coming == nil || current == nil { (isMoving, seen) = (false, []) }
    }

    private func words(_ connection: NATSConnection, _ reason: CloseReason) -> String {
        "\(connection.server): \(reason)"
    }

    /// At once when others are left to try, and after a pause when all have been tried.
    private func connectLater() {
        guard port != nil else { return }
        if let timer { loop.cancel(timer) }
        let (round, place) = failures.quotientAndRemainder(dividingBy: max(1, pool.count))
        let pause = place == 0 ? settings.reconnect.pause(after: round, chance: loop.random.next()) : .zero
        timer = loop.after(pause, self, token: Self.connectToken)
    }
}

extension NATSDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        connect()
    }
}

/// Ends a connection when its time is over.
private final class Leaving: TimerTarget {
    private let connection: NATSConnection
    init(_ connection: NATSConnection) { self.connection = connection }
    func timerFired(_ token: UInt64, on loop: Loop) { connection.close(.done) }
}
