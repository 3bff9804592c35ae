import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A peer on its loop: whom it knows, and its connections. One owner, so there is nothing to lock.
final class PeerNode {
    let name: String
    let kind: ConnectionKind
    let settings: MeshSettings
    let loop: Loop
    let counters: MeshCounters
    /// Where it says that it listens.
    var announced = ""
    private let handler: any MessageHandler
    private(set) var short: ShortRoutes
    private(set) var long: LongRoutes
    /// Of addresses that were added with a dialer of their own.
    private var dialers: [MeshRoute: any Dialer] = [:]
    private var connections: [UInt64: PeerConnection] = [:]
    private var lastNumber: UInt64 = 0

    init(_ name: String, _ kind: ConnectionKind, _ settings: MeshSettings, _ handler: any MessageHandler, on loop: Loop)
    {
        (self.name, self.kind, self.settings, self.handler, self.loop) = (name, kind, settings, handler, loop)
        short = ShortRoutes(most: settings.maxRoutes)
        long = LongRoutes(most: settings.maxRoutes)
        counters = MeshCounters(loop.meters)
    }

    var greeting: PheromoneMessage {
        .greeting(from: name, PheromoneGreeting(address: announced, account: settings.account))
    }

    var peers: [MeshRoute] {
        switch kind {
        case .short: short.all.map { MeshRoute(name: $0.name, address: $0.address) }
        case .long: long.all.map { MeshRoute(name: $0.name, address: $0.address) }
        }
    }

    func handle(_ message: PheromoneMessage, from connection: PeerConnection?) throws -> PheromoneMessage? {
        try handler.handle(IncomingMessage(message: message, node: self, connection: connection))
    }

    // MARK: Routes

    func dialer(for route: MeshRoute) -> (any Dialer)? { dialers[route] ?? settings.dialer(route.address) }

    func add(_ route: MeshRoute, by dialer: (any Dialer)?, _ promise: Promise<Void>) {
        do throws(MeshError) {
            switch kind {
            case .short:
                let before = short.holders(of: route.name)
                try short.add(route.name, at: route.address)
                for old in before { dialers[MeshRoute(name: old.name, address: old.address)] = nil }
                dialers[route] = dialer
                promise.fulfil(.success(()))
            case .long: try connect(route, by: dialer, promise)
            }
        } catch { promise.fulfil(.failure(error)) }
    }

    private func connect(
        _ route: MeshRoute, by dialer: (any Dialer)?, _ promise: Promise<Void>
    ) throws(MeshError) {
        if route.address.isEmpty { throw .endpointEmpty("the address of '\(route.name)' is empty") }
        if long.holders(of: route.name).contains(where: { $0.address == route.address && $0.isAdded }) {
            throw .endpointExists("'\(route.name)' has a connection to \(route.address) already")
        }
        guard let dialer = dialer ?? settings.dialer(route.address) else {
            throw .unreachable("'\(route.address)', which is no address")
        }
        let connection = PeerConnection(nextNumber(), of: self, dialledFor: promise)
        try long.add(route.name, at: route.address, over: connection.number)
        guard let link = dialer.dial(on: loop, deadline: settings.dialLimit, handler: connection) else {
            long.remove(connection.number)
            throw .unreachable("\(route.address): the loop has no room for another link")
        }
        connections[connection.number] = connection
        connection.meet(link)
    }

    /// Somebody has made itself known.
    func learn(_ route: MeshRoute, over connection: PeerConnection?) throws(MeshError) {
        switch kind {
        case .short: try short.learn(route.name, at: route.address)
        case .long:
            guard let connection else {
                throw .wrongEndpoint("'\(route.name)' needs a connection, and this message came by none")
            }
            // Without an address of its own it is known by where its connection comes from.
            let address = route.address.isEmpty ? "\(connection.link?.traits.peer ?? .none)" : route.address
            try long.learn(route.name, at: address, over: connection.number)
        }
    }

    func delete(_ name: String) throws(MeshError) {
        switch kind {
        case .short:
            for route in short.holders(of: name) { dialers[MeshRoute(name: name, address: route.address)] = nil }
            short.delete(name)
        case .long:
            let routes = long.delete(name)
            if routes.isEmpty { throw .endpointEmpty("'\(name)' has no connection") }
            for number in routes.flatMap(\.connections) { connections[number]?.link?.close(.peerDeleted) }
        }
    }

    // MARK: Messages

    func dispatch(
        _ message: PheromoneMessage, to name: String, at address: String?, _ done: @escaping (ShortCall.Outcome) -> Void
    ) {
        do throws(MeshError) {
            switch kind {
            case .short:
                let routes = short.holders(of: name).filter { address == nil || $0.address == address }
                if routes.isEmpty { throw .unknownPeer(name) }
                ShortCall(self, try message.bytesToSend(), over: routes, done).start()
            case .long:
                let routes = long.holders(of: name).filter { address == nil || $0.address == address }
                guard let connection = routes.lazy.compactMap({ self.connection(of: $0) }).first else {
                    throw .unknownPeer(name)
                }
                try connection.dispatch(message)
                done(.success(nil))
            }
        } catch { done(.failure(error)) }
    }

    func dispatchToAll(_ message: PheromoneMessage, named name: String?, _ promise: Promise<[MeshAnswer]>) {
        do throws(MeshError) {
            let bytes = try message.bytesToSend()
            switch kind {
            case .short:
                Broadcast(self, bytes, over: short.all.filter { name == nil || $0.name == name }, promise).start()
            case .long:
                for route in long.all where name == nil || route.name == name {
                    do throws(MeshError) {
                        try connection(of: route)?.dispatch(message)
                    } catch {
                        counters.refused("\(error)")
                        Log.shared.debug("mesh message not sent", ["peer": route.name, "why": "\(error)"])
                    }
                }
                promise.fulfil(.success([]))
            }
        } catch { promise.fulfil(.failure(error)) }
    }

    /// One with a session under way goes on to be it. Otherwise it is the one that was heard from last: of two that
    /// were opened at the same moment the other side closes one, and it is not known which.
    private func connection(of route: LongRoutes.Route) -> PeerConnection? {
        let all = route.connections.compactMap { connections[$0] }.filter { $0.link?.state != .closed }
        if let busy = all.first(where: { $0.isBusy() }) { return busy }
        let never = Moment(nanoseconds: .min)
        return all.max { ($0.heardAt ?? never, $1.number) < ($1.heardAt ?? never, $0.number) }
    }

    // MARK: Connections

    private func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// A session of ours that was under way begins again, if the peer has another connection.
    func ended(_ connection: PeerConnection, owesSession: Bool) {
        connections[connection.number] = nil
        let routes = long.routes(over: connection.number)
        long.remove(connection.number)
        guard owesSession, let route = routes.first else { return }
        counters.failedSessions.add(1)
        guard let left = long.holders(of: route.name).first(where: { $0.address == route.address }),
            let other = self.connection(of: left)
        else { return }
        do throws(MeshError) {
            try other.dispatch(greeting)
        } catch { Log.shared.debug("mesh session not begun again", ["peer": route.name, "why": "\(error)"]) }
    }

    /// A connection on which somebody else has read the first message, or has sent the greeting: it comes here again.
    func takeOver(_ link: Link, dialled route: MeshRoute?) {
        let connection = PeerConnection(nextNumber(), of: self)
        connections[connection.number] = connection
        connection.meet(link)
        link.handler = connection
        connection.opened(link)
        guard let route else { return }
        do throws(MeshError) {
            try long.add(route.name, at: route.address, over: connection.number)
        } catch { Log.shared.debug("mesh route not added", ["name": route.name, "why": "\(error)"]) }
    }

    func close() {
        for number in connections.keys.sorted() { connections[number]?.link?.close(.shutdown) }
    }
}

extension PeerNode: LinkIntake {
    func accept(_ link: Link) -> (any LinkHandler)? {
        if link.traits.keepsMessages { return MessageJoining().accept(link, into: self) }
        let connection = PeerConnection(nextNumber(), of: self)
        connections[connection.number] = connection
        connection.meet(link)
        return connection
    }
}
