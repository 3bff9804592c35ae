public import OmniwayTransport
import OmniwayWire

/// The one port of a node: connections of clients and nodes, the same over WebSocket, and the HTTP interface. The first
/// byte tells them apart, since a carrier's is no letter that a request of the interface begins with.
///
/// ```swift
/// let door = await TunnelDoor.open(for: node)
/// let entrance = try await TLSServer(identity).over(StreamAcceptor(address)).open(into: [door])
/// ```
public final class TunnelDoor: LinkIntake {
    private let node: TunnelNode
    private let server: HTTPServer
    /// What one message of a WebSocket may be; `MessageJoining` makes none so large.
    static let largestMessage = 1 << 20

    public static func open(
        for node: LoopBound<TunnelNode>, settings: TunnelAPISettings = TunnelAPISettings()
    ) async -> LoopBound<TunnelDoor> {
        await node.map { _, node in TunnelDoor(of: node, settings) }
    }

    private init(of node: TunnelNode, _ settings: TunnelAPISettings) {
        self.node = node
        var routes = TunnelAPI(of: node, settings).routes
        node.names.claim(in: &routes, all: false)
        let socket = WebSocket(path: TunnelNodeAddress.path, maxMessageSize: Self.largestMessage)
        let joined = Joined(node)
        routes.get(TunnelNodeAddress.path) { exchange in exchange.upgrade(to: socket, for: joined) }
        let limits = HTTPServerLimits(
            message: HTTPLimits(body: TunnelAPI.largestBody), headDeadline: node.settings.carrier.greeting)
        server = HTTPServer(on: node.loop, routes: routes, limits: limits)
    }

    public func accept(_ link: Link) -> (any LinkHandler)? { node.isDraining ? nil : Listener(node, server) }

    /// Ends what is asked over HTTP when its answer is there.
    public func drain() { server.drain() }

    /// WebSockets as streams.
    private final class Joined: LinkIntake {
        private let node: TunnelNode
        init(_ node: TunnelNode) { self.node = node }
        func accept(_ link: Link) -> (any LinkHandler)? { MessageJoining().accept(link, into: node) }
    }

    /// Waits for the first byte.
    private final class Listener: LinkHandler, TimerTarget {
        private let node: TunnelNode
        private let server: HTTPServer
        private var deadline: TimerID?
        private var link: LinkID?
        init(_ node: TunnelNode, _ server: HTTPServer) { (self.node, self.server) = (node, server) }

        func opened(_ link: Link) {
            self.link = link.id
            deadline = link.loop.after(node.settings.carrier.greeting, self)
        }

        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            guard bytes.byteCount > 0 else { return 0 }
            end(link.loop)
            let first = bytes.byte(0)
            let handler = first == CarrierHello.opener ? node.accept(link) : server.accept(link)
            guard let handler else {
                link.close(.shutdown)
                return bytes.byteCount
            }
            link.handler = handler
            handler.opened(link)
            return 0  // The next handler is given them.
        }

        func finished(_ link: Link) { link.close(.finished) }
        func closed(_ link: Link, _ reason: CloseReason) { end(link.loop) }

        private func end(_ loop: Loop) { if let deadline = exchange(&deadline, with: nil) { loop.cancel(deadline) } }

        func timerFired(_ token: UInt64, on loop: Loop) {
            deadline = nil
            if let link { loop.link(link)?.close(.handshakeTimeout.with("it did not say what it wants")) }
        }
    }
}
