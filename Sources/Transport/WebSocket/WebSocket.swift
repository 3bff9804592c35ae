public import OmniwayWire

/// WebSocket (RFC 6455) over any acceptor or dialer of streams: links that keep messages, text or binary.
///
///     WebSocket(path: "/game", origins: ["https://game.example.org"]).over(StreamAcceptor(address))
///     WebSocket(path: "/game?room=1", host: "game.example.org").over(StreamDialer(address))
public struct WebSocket: AcceptorLayer, DialerLayer {
    /// Where it is served, without a query; nil is any path. To dial, what is asked for, with its query; nil is `/`.
    public var path: String?
    /// To accept: the pages from which browsers may connect, such as `https://game.example.org`; nil is any. Programs
    /// that are no browsers send no origin, and may always connect.
    public var origins: [String]?
    /// To dial: what the Host field says. Nil is the peer's address.
    public var host: String?
    /// To dial: more fields of the request.
    public var headers: HTTPHeaders
    /// To accept, the protocols that are spoken; to dial, those that are asked for, the best first.
    public var subprotocols: [String]
    /// A larger message closes the link with `.messageTooLarge`; a compressed one counts as what it becomes.
    public var maxMessageSize: Int
    public var compression: Compression
    public var keepAlive: KeepAlive
    /// How long the peer may take to answer a close frame.
    public var closeLimit: Duration
    public var handshakes: HandshakeLimits
    public let layerName = "websocket"

    public init(
        path: String? = nil, origins: [String]? = nil, host: String? = nil, headers: HTTPHeaders = HTTPHeaders(),
        subprotocols: [String] = [], maxMessageSize: Int = 1 << 20, compression: Compression = .off,
        keepAlive: KeepAlive = KeepAlive(), closeLimit: Duration = .seconds(5),
        handshakes: HandshakeLimits = HandshakeLimits()
    ) {
        precondition(maxMessageSize > 0, "a message of some size")
        (self.path, self.origins, self.host, self.headers) = (path, origins, host, headers)
        (self.subprotocols, self.maxMessageSize, self.compression) = (subprotocols, maxMessageSize, compression)
        (self.keepAlive, self.closeLimit, self.handshakes) = (keepAlive, closeLimit, handshakes)
    }

    /// Whether messages may be compressed, by permessage-deflate (RFC 7692). Both sides must want it.
    public struct Compression: Sendable {
        let wish: WebSocketDeflate.Wish?
        /// Smaller messages are sent as they are.
        let threshold: Int

        public static let off = Compression(wish: nil, threshold: 0)

        /// With `keepsContext` messages may refer to earlier ones, which helps small ones that are alike. A link then
        /// holds a deflater and an inflater for as long as it lives: with 15 bits about 205 KiB, with 9 about 48 KiB.
        /// Without it a link holds nothing between messages.
        public static func on(
            above threshold: Int = 256, windowBits: Int = 15, keepsContext: Bool = false
        ) -> Compression {
            precondition(9...15 ~= windowBits, "a window of 9 to 15 bits")
            return Compression(
                wish: WebSocketDeflate.Wish(windowBits: windowBits, keepsContext: keepsContext),
                threshold: max(1, threshold))
        }
    }

    /// A peer from which nothing was heard for an interval is pinged. One that stays silent for `misses` more intervals
    /// is lost.
    public struct KeepAlive: Sendable {
        public var interval: Duration
        public var misses: Int

        public init(every interval: Duration = .seconds(30), misses: Int = 2) {
            precondition(interval > .zero && misses > 0, "an interval, and at least one miss")
            (self.interval, self.misses) = (interval, misses)
        }
    }

    public func acceptingDriver(on loop: Loop) -> LayerDriver {
        WebSocketDriver(.server, self, .accepting(HTTPRequestDecoder(), terms))
    }

    public func dialingDriver(on loop: Loop) -> LayerDriver { WebSocketDriver(.client, self, .dialing(self)) }

    private var terms: WebSocketTerms {
        WebSocketTerms(
            path: path, origins: origins?.map { $0.lowercased() }, subprotocols: subprotocols,
            deflate: compression.wish)
    }

    /// For a server that has read the request itself: what to answer with 101, and the handler that the connection's
    /// link is to have then. The intake is asked when the link comes.
    public func upgrade(
        _ request: HTTPRequestHead, for intake: any LinkIntake
    ) throws(WebSocketRefusal) -> (headers: HTTPHeaders, handler: any LinkHandler) {
        let agreement = try terms.accept(request)
        let driver = WebSocketDriver(.server, self, .accepted(request, agreement))
        driver.takesOver(layer: layerName, for: intake)
        return (agreement.answer.headers, driver)
    }
}
