import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Connections that others dial, as they come.
public struct GatewayConnections<Format: MessageFormat>: AsyncSequence {
    fileprivate let arrivals: Arrivals<Newcomer>
    private let closing: Closing
    fileprivate let format: Format

    init(_ format: Format, from endpoints: [GatewayEndpoint]) {
        self.format = format
        arrivals = Arrivals(most: endpoints.map(\.configuration.recvChanSize).max() ?? 1)
        closing = Closing(arrivals)
        for endpoint in endpoints { endpoint.accept(into: arrivals) }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(connections: self) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let connections: GatewayConnections

        /// Nil when the task was cancelled.
        public func next(
            isolation: isolated (any Actor)? = #isolation
        ) async -> GatewayConnection<Format>? {
            guard let newcomer = try? await connections.arrivals.next() else { return nil }
            return newcomer.take(connections.format)
        }
    }

    /// Nobody can take them any more; those that wait are hung up on.
    private final class Closing: Sendable {
        private let arrivals: Arrivals<Newcomer>
        init(_ arrivals: Arrivals<Newcomer>) { self.arrivals = arrivals }
        deinit { arrivals.drop() }
    }
}

extension [GatewayEndpoint] {
    /// The connections that are dialled at any of several gateways.
    public func connections<Format: MessageFormat>(_ format: Format = .bytes) -> GatewayConnections<Format> {
        GatewayConnections(format, from: self)
    }
}

/// A connection that nobody has taken yet. Dropped, it is closed.
final class Newcomer: Sendable {
    let core: ConnectionCore
    let ends: VirtualEnds
    private let isTaken = Lock(false)

    init(_ core: ConnectionCore, _ ends: VirtualEnds) { (self.core, self.ends) = (core, ends) }

    func take<Format: MessageFormat>(_ format: Format) -> GatewayConnection<Format> {
        isTaken.withLock { $0 = true }
        return GatewayConnection(core, ends, format)
    }

    deinit { if !isTaken.withLock({ $0 }) { core.close(.refused) } }
}

final class NewcomerIntake: LinkIntake {
    private let arrivals: Arrivals<Newcomer>
    private let configuration: EndpointConfiguration
    private let mailbox: Mailbox<EndpointWork>

    init(
        _ arrivals: Arrivals<Newcomer>, _ configuration: EndpointConfiguration, _ mailbox: Mailbox<EndpointWork>
    ) {
        (self.arrivals, self.configuration, self.mailbox) = (arrivals, configuration, mailbox)
    }

    func accept(_ link: Link) -> (any LinkHandler)? {
        guard let ends = link.virtual else { return nil }
        let core = ConnectionCore(configuration, mailbox)
        core.dials(link.id)
        return arrivals.put(Newcomer(core, ends)) ? ConnectionHandler(core) : nil
    }
}
