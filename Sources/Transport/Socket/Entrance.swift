/// An acceptor in few words, for whoever takes any: `app.listen(.webSocket(":3251", path: "/"))`. Addresses are those
/// of `SocketAddress`, or have a name that is looked up when it opens.
public struct Entrance: Acceptor {
    private let make: @Sendable (EventLoop) async throws(ListenError) -> any Acceptor

    /// For an acceptor that can only be made when it is to open.
    public init(_ make: @escaping @Sendable () async throws(ListenError) -> any Acceptor) {
        self.make = { _ throws(ListenError) in try await make() }
    }

    /// For one that lives on a loop: it is given that of the first intake.
    public init(on make: @escaping @Sendable (EventLoop) async throws(ListenError) -> any Acceptor) {
        self.make = make
    }

    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        guard let first = intakes.first else { throw .noLoops }
        return try await make(first.home).open(into: intakes)
    }

    fileprivate static func stream(_ address: String) throws(ListenError) -> StreamAcceptor {
        guard let found = SocketAddress(resolving: address) else { throw .unknownHost(address) }
        return StreamAcceptor(found)
    }
}

extension Acceptor where Self == Entrance {
    /// TCP, or a Unix socket at `unix:/path`.
    public static func tcp(_ address: String) -> Entrance {
        Entrance { () throws(ListenError) in try Entrance.stream(address) }
    }

    public static func tls(_ address: String, _ server: TLSServer) -> Entrance {
        Entrance { () throws(ListenError) in server.over(try Entrance.stream(address)) }
    }

    /// Nil takes any path. With TLS it is what browsers call `wss`. Messages may be large: who takes them in pieces has
    /// limits of its own.
    public static func webSocket(_ address: String, path: String? = nil, tls server: TLSServer? = nil) -> Entrance {
        webSocket(address, WebSocket(path: path, maxMessageSize: 32 << 20), tls: server)
    }

    public static func webSocket(_ address: String, _ webSocket: WebSocket, tls server: TLSServer? = nil) -> Entrance {
        Entrance { () throws(ListenError) in
            let stream = try Entrance.stream(address)
            return if let server { webSocket.over(server.over(stream)) } else { webSocket.over(stream) }
        }
    }
}
