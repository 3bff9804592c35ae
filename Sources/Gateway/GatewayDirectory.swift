import OmniwayTelemetry
import OmniwayWire

/// Who is where, and which ids are taken: what the loops of a gateway share. It is asked when somebody comes, goes,
/// dials or hangs up, never for a frame.
final class GatewayDirectory: Sendable {
    private struct State {
        var clients: [EndpointID: Place] = [:]
        /// Servers with one id, the newest last.
        var servers: [EndpointID: [Place]] = [:]
        var connections: Set<ConnectionID> = []
        /// Of these, the ids that are no connection: opened and not dialled, or closed by the server and not yet on the
        /// client's loop.
        var idle: Set<ConnectionID> = []
        var lastClient: UInt32 = 0
        var lastConnection: UInt32
        var isDraining = false
    }
    private let state: Lock<State>

    /// The first connection gets the id behind `lastConnection`.
    init(lastConnection: UInt32 = 0) { state = Lock(State(lastConnection: lastConnection)) }

    /// How many things it remembers of peers: none when all have left.
    var memories: Int { state.withLock { $0.clients.count + $0.servers.count + $0.connections.count + $0.idle.count } }

    // MARK: Peers

    /// Clients are counted in the order in which they come; an id that is still in use is passed over.
    func addClient(at place: Place) -> EndpointID {
        state.withLock { state in
            repeat {
                state.lastClient &+= 1
            } while state.lastClient == 0 || state.clients[EndpointID(rawValue: state.lastClient)] != nil
            let id = EndpointID(rawValue: state.lastClient)
            state.clients[id] = place
            return id
        }
    }

    /// False when another server has the id and keeps it.
    func addServer(_ id: EndpointID, at place: Place, duplicates: GatewaySettings.DuplicateServers) -> Bool {
        state.withLock { state in
            if duplicates == .reject, state.servers[id] != nil { return false }
            state.servers[id, default: []].append(place)
            return true
        }
    }

    func remove(_ side: GatewaySide, _ id: EndpointID, at place: Place) {
        state.withLock { state in
            switch side {
            case .client: state.clients[id] = nil
            case .server:
                state.servers[id]?.removeAll { $0 == place }
                if state.servers[id]?.isEmpty == true { state.servers[id] = nil }
            }
        }
    }

    /// Where new dials to a peer go. Nobody is found any more while the gateway drains.
    func find(_ side: GatewaySide, _ id: EndpointID) -> Place? {
        state.withLock { state in
            if state.isDraining { return nil }
            return side == .client ? state.clients[id] : state.servers[id]?.last
        }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }
    func drain() { state.withLock { $0.isDraining = true } }

    // MARK: Virtual connections

    /// The next id that nobody uses. When the numbers have gone round, those in use are passed over. An idle one is no
    /// connection until it is dialled.
    func newConnection(isIdle: Bool = false) -> ConnectionID {
        state.withLock { state in
            repeat {
                state.lastConnection &+= 1
            } while state.lastConnection == 0
                || !state.connections.insert(ConnectionID(rawValue: state.lastConnection)).inserted
            let id = ConnectionID(rawValue: state.lastConnection)
            if isIdle { state.idle.insert(id) }
            return id
        }
    }

    /// An idle id has been dialled.
    func use(_ id: ConnectionID) { state.withLock { _ = $0.idle.remove(id) } }

    /// The connection has ended, but the loop of its client has not heard of it and keeps the id.
    func retire(_ id: ConnectionID) {
        state.withLock { state in
            if state.connections.contains(id) { state.idle.insert(id) }
        }
    }

    /// The id may be given again.
    func release(_ id: ConnectionID) {
        state.withLock { state in
            state.connections.remove(id)
            state.idle.remove(id)
        }
    }

    /// The id is that of a connection, on whatever loops its ends are.
    func isConnection(_ id: ConnectionID) -> Bool {
        state.withLock { $0.connections.contains(id) && !$0.idle.contains(id) }
    }

    var connectionCount: Int { state.withLock { $0.connections.count - $0.idle.count } }
}
