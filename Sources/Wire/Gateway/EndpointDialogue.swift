/// What an endpoint and its gateway have to say to each other about virtual connections: dials that wait for an answer,
/// and connections that are open. Whoever keeps a connection tells it from others by a tag.
package struct EndpointDialogue: Sendable {
    package typealias Tag = Int

    package enum Action: Equatable {
        /// A dial has its connection.
        case open(Tag, ConnectionID)
        case refuse(Tag)
        /// Somebody has dialled this endpoint: `keep` the connection, or `close` it.
        case accept(ConnectionID, EndpointID)
        /// The other end has closed, and is answered.
        case end(Tag, answer: GatewayCommand?)
        case send(GatewayCommand)
        /// A ping was answered.
        case answered
        case ignore
        /// No gateway says this.
        case rejectGateway
    }

    private struct Dial {
        /// Nil once nobody waits for the answer any more, which comes all the same.
        var tag: Tag?
        let remote: EndpointID
    }

    private struct Connection {
        let tag: Tag
        /// This end has said that it closes, and still listens.
        var isFinishing = false
    }

    private let dialect: GatewayDialect
    private let mostDials: Int
    private let mostConnections: Int
    /// In the order in which they were sent. In v1 they wait for an id.
    private var asked: [Dial] = []
    /// In v1, those that have an id.
    private var dialled: [ConnectionID: Dial] = [:]
    private var connections: [ConnectionID: Connection] = [:]

    package init(_ dialect: GatewayDialect, mostDials: Int, mostConnections: Int) {
        (self.dialect, self.mostDials, self.mostConnections) = (dialect, mostDials, mostConnections)
    }

    package var dialCount: Int { asked.count + dialled.count }
    package var connectionCount: Int { connections.count }

    /// Who keeps the connection that a message belongs to. The sender of one for nobody is told to close.
    package func tag(of id: ConnectionID) -> Tag? { connections[id]?.tag }

    // MARK: This end

    /// What asks for a connection; nil when too many dials wait already.
    package mutating func dial(_ remote: EndpointID, for tag: Tag) -> GatewayCommand? {
        guard dialCount < mostDials else { return nil }
        asked.append(Dial(tag: tag, remote: remote))
        return dialect == .v1 ? .new : .dial(remote, as: 0)
    }

    /// Nobody waits for this dial any more. Should it be answered, its connection is closed.
    package mutating func giveUp(_ tag: Tag) {
        if let index = asked.firstIndex(where: { $0.tag == tag }) {
            asked[index].tag = nil
        } else if let id = dialled.first(where: { $0.value.tag == tag })?.key {
            dialled[id]?.tag = nil
        }
    }

    package mutating func keep(_ id: ConnectionID, as tag: Tag) { connections[id] = Connection(tag: tag) }

    /// Forgets a connection; nil when the other end has closed it before.
    package mutating func close(_ id: ConnectionID) -> GatewayCommand? {
        guard let connection = connections.removeValue(forKey: id) else { return nil }
        return connection.isFinishing ? nil : .close(id)
    }

    /// Says that this end closes. What the gateway sent before it heard of that is still received.
    package mutating func finish(_ id: ConnectionID) -> GatewayCommand? {
        guard connections[id]?.isFinishing == false else { return nil }
        connections[id]?.isFinishing = true
        return .close(id)
    }

    /// There is no gateway any more. Those that dial or are connected, in the order in which they began.
    package mutating func endAll() -> [Tag] {
        let dialled = dialled.sorted { $0.key.rawValue < $1.key.rawValue }.compactMap(\.value.tag)
        let open = connections.sorted { $0.key.rawValue < $1.key.rawValue }.map(\.value.tag)
        let all = open + dialled + asked.compactMap(\.tag)
        self = EndpointDialogue(dialect, mostDials: mostDials, mostConnections: mostConnections)
        return all
    }

    // MARK: The gateway

    package mutating func receive(_ command: GatewayCommand) -> Action {
        switch (dialect, command) {
        case (.v1, .open(let id)): given(id)
        case (.v1, .accept(let id, let remote)):
            if let dial = dialled.removeValue(forKey: id) { open(id, dial) } else { called(id, by: remote) }
        case (.v2, .accept(let id, let remote)): open(id, takeDial(to: remote))
        case (.v2, .connect(let id, let remote)): called(id, by: remote)
        case (.v1, .refuse(_, let id)): refused(dialled.removeValue(forKey: id))
        case (.v2, .refuse(let remote, _)): refused(takeDial(to: remote))
        case (_, .close(let id)): closed(id)
        case (.v1, .ping): .send(.ping)
        case (.v2, .ping): .answered
        case (.v1, .new), (.v1, .dial), (.v1, .connect), (.v2, .new), (.v2, .open), (.v2, .dial): .rejectGateway
        }
    }

    /// v1: ids come in the order in which they were asked for.
    private mutating func given(_ id: ConnectionID) -> Action {
        guard !asked.isEmpty, id != 0, connections[id] == nil, dialled[id] == nil else { return .rejectGateway }
        let dial = asked.removeFirst()
        guard dial.tag != nil else { return .ignore }  // An id that nobody dials with is forgotten by both.
        dialled[id] = dial
        return .send(.dial(dial.remote, as: id))
    }

    /// v2: answers name whom they are about, and come in the order of the dials.
    private mutating func takeDial(to remote: EndpointID) -> Dial? {
        asked.firstIndex { $0.remote == remote }.map { asked.remove(at: $0) }
    }

    private mutating func open(_ id: ConnectionID, _ dial: Dial?) -> Action {
        guard id != 0, connections[id] == nil else { return .rejectGateway }
        guard let tag = dial?.tag else { return .send(.close(id)) }
        keep(id, as: tag)
        return .open(tag, id)
    }

    private func called(_ id: ConnectionID, by remote: EndpointID) -> Action {
        guard id != 0, connections[id] == nil else { return .rejectGateway }
        return connections.count < mostConnections ? .accept(id, remote) : .send(.close(id))
    }

    private func refused(_ dial: Dial?) -> Action { dial?.tag.map { .refuse($0) } ?? .ignore }

    /// The originals answer Close with Close; what comes after this end's own means nothing.
    private mutating func closed(_ id: ConnectionID) -> Action {
        guard let connection = connections.removeValue(forKey: id) else { return .ignore }
        return .end(connection.tag, answer: connection.isFinishing ? nil : .close(id))
    }
}
