import OmniwayTelemetry
public import OmniwayWire

/// One request and the answer to it. It lives on the loop of its connection.
///
/// Whoever wants to answer later keeps it. One that nobody keeps any more, and that has no answer yet, is answered with
/// 500. What is written after the answer, or when the client has left, is counted and dropped.
public final class HTTPExchange {
    public let request: HTTPRequestHead
    /// The whole body, for routes that take it whole.
    public internal(set) var body: [UInt8] = []
    /// Who hears of pieces of the body, of room for more of the answer, and of a client that left. While there is one
    /// the exchange is kept. One that comes when the exchange is over is let go.
    public var handler: (any HTTPExchangeHandler)? {
        didSet {
            if handler == nil {
                connection.letGo(self)
            } else if !isUnderWay || !connection.keep(self) {
                handler = nil  // It may hold the exchange, and nobody would part them.
            }
        }
    }

    let connection: HTTPConnection
    private let number: Int
    let match: HTTPRoutes.Match

    init(_ request: HTTPRequestHead, _ number: Int, on connection: HTTPConnection, _ match: HTTPRoutes.Match) {
        (self.request, self.number, self.connection, self.match) = (request, number, connection, match)
    }

    deinit { if connection.number == number { connection.wasDropped() } }

    public var loop: Loop { connection.link.loop }
    /// The client, or the proxy before it.
    public var peer: SocketAddress { connection.link.traits.peer }
    /// It came over TLS.
    public var isSecure: Bool { connection.link.tls != nil }
    /// The body as text; what is not UTF-8 becomes a replacement character.
    public var bodyText: String { String(decoding: body, as: UTF8.self) }

    /// What stands in the path for `:name` or `*name` of the route's pattern, decoded.
    public subscript(name: String) -> String? {
        guard case .found(let route, let values) = match else { return nil }
        return route.names.firstIndex(of: name).map { values[$0] }
    }

    /// There is no answer yet, and the client is still there.
    public var isOpen: Bool { isUnderWay && connection.mayBegin }

    // MARK: Answering

    /// The whole answer as text. Unless `headers` say something else it is plain text.
    public func respond(_ status: HTTPStatus, _ text: String, _ headers: HTTPHeaders = HTTPHeaders()) {
        var headers = headers
        if headers.isEmpty { headers = Self.plainText }
        let text = text.utf8.span
        guard mayAnswer(status) else { return }
        connection.respond(status, headers, text.raw)
    }
    private static let plainText: HTTPHeaders = ["Content-Type": "text/plain; charset=utf-8"]

    /// The whole answer.
    public func respond(_ status: HTTPStatus, _ body: [UInt8] = [], _ headers: HTTPHeaders = HTTPHeaders()) {
        guard mayAnswer(status) else { return }
        connection.respond(status, headers, body.span.raw)
    }

    /// The whole answer, from bytes that many answers share.
    public func respond(_ status: HTTPStatus, _ body: SharedBytes, _ headers: HTTPHeaders = HTTPHeaders()) {
        guard mayAnswer(status) else { return }
        connection.respond(status, headers, body)
    }

    /// Begins an answer that is written piece by piece and ends with `finish`. With a length that many bytes must
    /// follow; without one any number may.
    public func begin(_ status: HTTPStatus, _ headers: HTTPHeaders = HTTPHeaders(), length: Int? = nil) {
        guard mayAnswer(status) else { return }
        connection.begin(status, headers, length: length)
    }

    /// Queues a piece of the answer.
    public func write(_ bytes: RawSpan) { if isUnderWay { connection.write(bytes) } }
    public func write(_ bytes: [UInt8]) { write(bytes.span.raw) }
    public func write(_ text: String) { write(text.utf8.span.raw) }

    /// The answer is whole.
    public func finish() { if isUnderWay { connection.finish() } }

    /// The answer has begun and cannot be ended: the connection breaks off, so that nobody takes it for whole.
    public func breakOff(_ why: String) { if isUnderWay { connection.leave(.answerCut.with(why)) } }

    /// Enough is queued: stop writing until the handler hears `writable`.
    public var isFull: Bool { isUnderWay && connection.link.isFull }

    /// Waits until the answer can be written on, or nobody wants it any more.
    public nonisolated(nonsending) func untilWritable() async {
        guard isFull else { return }
        await withCheckedContinuation { connection.waitUntilWritable($0) }
    }

    /// It is the one that its connection deals with.
    var isUnderWay: Bool {
        // The compiler says nothing when a closure with a capture list becomes an async handler, and leaves the loop.
        precondition(loop.executor.isCurrent, "an exchange off its loop; write async handlers without a capture list")
        return connection.number == number
    }

    /// What stands in the way of an answer with this status.
    private func mayAnswer(_ status: HTTPStatus) -> Bool {
        precondition(!status.isInformational, "\(status) is no answer; another protocol begins by upgrade(to:)")
        let isTunnel = request.method == .connect && status.code / 100 == 2
        precondition(!isTunnel, "a CONNECT that succeeds has no answer; its tunnel begins by connect(to:)")
        return mayAnswer
    }

    private var mayAnswer: Bool {
        if isOpen { return true }
        connection.server.counters.late.add(1)
        return false
    }

    // MARK: The body

    /// Stops the pieces of the body; the client waits.
    public func pauseBody() { if isUnderWay { connection.pauseBody() } }
    public func resumeBody() { if isUnderWay { connection.resumeBody() } }

    // MARK: Another protocol

    /// Answers with 101 and gives the link to another handler, with the bytes that the client has sent already. The
    /// handler hears `opened` first. False when there is an answer already, or the body is not over.
    @discardableResult
    public func upgrade(to handler: any LinkHandler, _ headers: HTTPHeaders) -> Bool {
        handOver(.switchingProtocols, headers, to: handler)
    }

    /// The same for CONNECT, which is answered with 200.
    @discardableResult
    public func connect(to handler: any LinkHandler, _ headers: HTTPHeaders = HTTPHeaders()) -> Bool {
        handOver(.ok, headers, to: handler)
    }

    private func handOver(_ status: HTTPStatus, _ headers: HTTPHeaders, to handler: any LinkHandler) -> Bool {
        guard isOpen, connection.bodyIsOver else { return false }
        return connection.handOver(status, headers, to: handler)
    }
}

/// Who hears more about an exchange than its beginning.
public protocol HTTPExchangeHandler: AnyObject {
    /// A piece of the body, for routes that take it in pieces. It is gone when the call returns.
    func receive(_ bytes: RawSpan, of exchange: HTTPExchange)
    /// The body is whole.
    func received(_ exchange: HTTPExchange)
    /// The answer was full, and can be written on.
    func writable(_ exchange: HTTPExchange)
    /// The client left before it had the whole answer, or before the body was whole.
    func clientLeft(_ exchange: HTTPExchange, _ reason: CloseReason)
}

extension HTTPExchangeHandler {
    public func receive(_ bytes: RawSpan, of exchange: HTTPExchange) {}
    public func received(_ exchange: HTTPExchange) {}
    public func writable(_ exchange: HTTPExchange) {}
    public func clientLeft(_ exchange: HTTPExchange, _ reason: CloseReason) {}
}

/// The work of an async handler.
final class HTTPTask: LoopTask {
    private let exchange: HTTPExchange
    private let work: HTTPRoutes.AsyncHandler

    init(_ exchange: HTTPExchange, _ work: @escaping HTTPRoutes.AsyncHandler) {
        (self.exchange, self.work) = (exchange, work)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await work(exchange)
        } catch {
            exchange.connection.handlerFailed(error, exchange)
        }
    }
}
