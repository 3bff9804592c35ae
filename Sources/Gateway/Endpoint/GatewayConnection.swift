import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// A virtual connection, for tasks: messages to and from somebody at the other side of the gateway. It closes when
/// nobody holds it any more.
public final class GatewayConnection<Format: MessageFormat>: Sendable {
    private let core: ConnectionCore
    public let format: Format
    /// The number of the connection, the same at its other end.
    public let id: ConnectionID
    /// Who is there: a client's id for a server, a server's for a client.
    public let remote: EndpointID

    init(_ core: ConnectionCore, _ ends: VirtualEnds, _ format: Format) {
        (self.core, self.format, id, remote) = (core, format, ends.connection, ends.remote)
    }

    deinit { core.close(.done) }

    /// What arrives, until either end closes. Who iterates twice shares the messages out.
    public var messages: GatewayMessages<Format> { GatewayMessages(self) }

    fileprivate func next() async throws(EndpointError) -> Format.Message? {
        guard let bytes = try await core.arrivals.next(weigh: { $0.count }) else { return nil }
        do { return try format.decode(bytes) } catch { throw .format("\(error)") }
    }

    /// Waits while too much waits already. In the order of the calls.
    public func send(_ message: Format.Message) async throws(EndpointError) {
        switch await core.departures.put(try encode(message)) {
        case .taken: return
        case .full: throw .cancelled
        case .ended(let reason): throw .closed(reason)
        }
    }

    /// Without waiting; false when too much waits already, and the message was not taken.
    public func write(_ message: Format.Message) throws(EndpointError) -> Bool {
        switch core.departures.offer(try encode(message)) {
        case .taken: return true
        case .full: return false
        case .ended(let reason): throw .closed(reason)
        }
    }

    private func encode(_ message: Format.Message) throws(EndpointError) -> [UInt8] {
        let bytes: [UInt8]
        do { bytes = try format.encode(message) } catch { throw .format("\(error)") }
        guard bytes.count <= core.maxMessageSize else {
            throw .messageTooLarge(bytes.count, limit: core.maxMessageSize)
        }
        return bytes
    }

    /// What was sent before still goes out.
    public func close(_ reason: CloseReason = .done) { core.close(reason) }
}

public struct GatewayMessages<Format: MessageFormat>: AsyncSequence {
    private let connection: GatewayConnection<Format>
    fileprivate init(_ connection: GatewayConnection<Format>) { self.connection = connection }

    public func makeAsyncIterator() -> Iterator { Iterator(connection: connection) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let connection: GatewayConnection<Format>

        /// Nil when either end has closed, or the task is cancelled; an error when the connection was lost, or the
        /// message is none of the format.
        public func next(isolation: isolated (any Actor)? = #isolation) async throws(EndpointError) -> Format.Message? {
            try await connection.next()
        }
    }
}

/// What a connection's tasks and its loop share.
final class ConnectionCore: Sendable {
    let arrivals: Arrivals<[UInt8]>
    let departures: Departures
    let maxMessageSize: Int
    private let mailbox: Mailbox<EndpointWork>
    private let link: Lock<LinkID>

    init(_ configuration: EndpointConfiguration, _ mailbox: Mailbox<EndpointWork>) {
        let link = Lock(LinkID.none)
        arrivals = Arrivals(most: configuration.recvChanSize, mostWeight: configuration.recvChanBytes)
        departures = Departures(most: configuration.sendChanSize, bytes: configuration.sendChanBytes) {
            let id = link.withLock { $0 }
            mailbox.post { session in
                if let link = session.loop.link(id) { (link.handler as? ConnectionHandler)?.writable(link) }
            }
        }
        maxMessageSize = configuration.maxMessageSize
        (self.mailbox, self.link) = (mailbox, link)
    }

    /// On the loop, before any task knows of the connection, or while its dialler waits.
    func dials(_ id: LinkID) {
        link.withLock { $0 = id }
    }

    func ended(_ reason: CloseReason) {
        departures.end(reason)
        arrivals.end(reason == .finished || reason == .done ? nil : .closed(reason))
    }

    func close(_ reason: CloseReason) {
        departures.end(reason)
        mailbox.post { [self] session in
            guard let link = session.loop.link(link.withLock({ $0 })) else { return }
            (link.handler as? ConnectionHandler)?.sendAll(on: link)
            link.close(reason)
        }
    }
}

/// Between a virtual link and the tasks of its connection.
final class ConnectionHandler: LinkHandler {
    private let core: ConnectionCore
    /// Until the link has opened, whoever dialled it.
    private var dialled: (remote: EndpointID, promise: Promise<VirtualEnds>)?
    private var begun: [UInt8] = []

    init(_ core: ConnectionCore, dialled remote: EndpointID, _ promise: Promise<VirtualEnds>) {
        (self.core, dialled) = (core, (remote, promise))
    }

    init(_ core: ConnectionCore) { self.core = core }

    /// What tasks write waits in their own queue, so the link's is full as soon as anything waits in it.
    func opened(_ link: Link) {
        link.limits.low = 0
        link.limits.high = 0
        if let ends = link.virtual { exchange(&dialled, with: nil)?.promise.fulfil(.success(ends)) }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        unsafe bytes.withUnsafeBytes { unsafe begun.append(contentsOf: $0) }
        if endOfMessage {
            let message = exchange(&begun, with: [])
            if !core.arrivals.put(message, weight: message.count) {
                link.close(.slowReader.with("as many messages wait to be received as may"))
            }
        }
        return bytes.byteCount
    }

    func writable(_ link: Link) {
        while !link.isFull, link.state == .open, case let messages = core.departures.takeAll(), !messages.isEmpty {
            for message in messages { link.write(message) }
        }
    }

    func sendAll(on link: Link) {
        while case let messages = core.departures.takeAll(), !messages.isEmpty {
            for message in messages { link.write(message) }
        }
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        let isCancelled = core.departures.hasEnded
        core.ended(reason)
        guard let (remote, promise) = exchange(&dialled, with: nil) else { return }
        switch reason {
        case .dialRefused: promise.fulfil(.failure(.refused(remote)))
        case _ where isCancelled: promise.fulfil(.failure(.cancelled))
        default: promise.fulfil(.failure(.closed(reason)))
        }
    }
}
