public import OmniwayWire

/// Who hears about the response to a request. The last call is `ended`, `failed` or `switched`.
public protocol HTTPResponseHandler: AnyObject {
    /// The head of the response.
    func received(_ head: HTTPResponseHead, of call: HTTPCall)
    /// A piece of its body. It is gone when the call returns.
    func receive(_ bytes: RawSpan, of call: HTTPCall)
    /// The response is whole.
    func ended(_ call: HTTPCall)
    func failed(_ call: HTTPCall, _ error: HTTPClientError)
    /// For a body that is sent in pieces: there is a connection, or room again.
    func writable(_ call: HTTPCall)
    /// The server has agreed to another protocol. The handler that is returned gets the link, hears `opened`, and gets
    /// what the server has sent already. Without one the call fails.
    func switched(_ head: HTTPResponseHead, of call: HTTPCall) -> (any LinkHandler)?
}

extension HTTPResponseHandler {
    public func writable(_ call: HTTPCall) {}
    public func switched(_ head: HTTPResponseHead, of call: HTTPCall) -> (any LinkHandler)? { nil }
}

/// The body of a request.
public enum HTTPRequestBody: Sendable {
    case none
    case bytes([UInt8])
    /// Written by the handler when it hears `writable`, up to `finish`. With a length that many bytes must follow.
    case pieces(length: Int? = nil)
}

/// One request of a client and the response to it. It lives on the client's loop.
public final class HTTPCall {
    public let request: HTTPRequestHead
    /// The head as it is sent.
    private var head: [UInt8] = []
    let body: HTTPRequestBody
    let limits: HTTPClientLimits
    private let client: HTTPClient
    private var handler: (any HTTPResponseHandler)?
    private var connection: HTTPClientConnection?
    /// Of a body in pieces: how many bytes are still due, and whether the end was written.
    private var due: Int?
    private(set) var isWritten = false
    private var isPaused = false
    private var wasRetried = false
    private var wholeTimer: TimerID?
    private var quietTimer: TimerID?
    private var heardAt: Moment

    init(
        _ request: HTTPRequestHead, _ body: HTTPRequestBody, _ limits: HTTPClientLimits, of client: HTTPClient,
        _ handler: any HTTPResponseHandler
    ) {
        (self.request, self.body, self.limits, self.client, self.handler) = (request, body, limits, client, handler)
        heardAt = client.loop.now
        if let whole = limits.whole { wholeTimer = client.loop.after(whole, self, token: Self.wholeToken) }
    }

    /// Nothing more comes, and nothing more can be written.
    public var isOver: Bool { handler == nil }

    /// Gives up. The handler hears that it failed.
    public func cancel() { fail(.cancelled) }

    // MARK: The response

    /// Stops the pieces of the response; the server waits.
    public func pause() {
        isPaused = true
        connection?.link?.pauseReading()
    }

    public func resume() {
        guard isPaused else { return }
        isPaused = false
        heardAt = client.loop.now
        connection?.resume()
    }

    var mayReceive: Bool { !isPaused && !isOver }

    func received(_ head: HTTPResponseHead) {
        heard()
        handler?.received(head, of: self)
    }

    func receive(_ bytes: RawSpan) {
        heard()
        handler?.receive(bytes, of: self)
    }

    private func heard() { heardAt = client.loop.now }

    func end() { leave()?.ended(self) }

    func fail(_ error: HTTPClientError) {
        guard let handler else { return }
        let connection = connection
        _ = leave()
        connection?.abandon()
        client.forget(self)
        handler.failed(self, error)
    }

    func switched(_ head: HTTPResponseHead) -> (any LinkHandler)? { handler?.switched(head, of: self) }

    /// Nothing more is due; who was waiting for it.
    func leave() -> (any HTTPResponseHandler)? {
        for timer in [wholeTimer, quietTimer] { if let timer { client.loop.cancel(timer) } }
        connection = nil
        return exchange(&handler, with: nil)
    }

    // MARK: The request

    /// Before there is a connection: a request that cannot be written should not cost one.
    func prepare() throws(HTTPWriteError) {
        try request.write(to: &head, adding: HTTPConnectionFields(length: length))
    }

    /// There is a connection; the request goes out.
    func begin(on connection: HTTPClientConnection, _ link: Link) {
        wasRetried = self.connection != nil
        self.connection = connection
        link.write(head)
        switch body {
        case .none: isWritten = true
        case .bytes(let bytes):
            link.write(bytes)
            isWritten = true
        case .pieces(let length): due = length
        }
        if isPaused { link.pauseReading() }
        if let quiet = limits.quiet, quietTimer == nil {
            heard()
            quietTimer = client.loop.after(quiet, self, token: Self.quietToken)
        }
    }

    private var length: HTTPBodyLength {
        switch body {
        case .none: [.post, .put, .patch].contains(request.method) ? .known(0) : .none
        case .bytes(let bytes): .known(bytes.count)
        case .pieces(let length): length.map { .known($0) } ?? .chunked
        }
    }

    /// It may be sent again, once, when a connection turns out to be dead: twice does no harm, and all of it is here.
    var mayRetry: Bool {
        if case .pieces = body { false } else { request.method.isIdempotent && !wasRetried }
    }

    func becameWritable() { if !isWritten { handler?.writable(self) } }

    /// Stop writing until the handler hears `writable`.
    public var isFull: Bool { connection?.link?.isFull ?? true }

    /// Queues a piece of the body.
    public func write(_ bytes: RawSpan) {
        guard !isWritten, let link = connection?.link, bytes.byteCount > 0 else { return }
        guard case .pieces(let length) = body else { return }
        if let due {
            precondition(bytes.byteCount <= due, "more of a body than its length says")
            self.due = due - bytes.byteCount
        }
        if length == nil { link.write(HTTPChunk.begin(bytes.byteCount)) }
        link.write(bytes)
        if length == nil { link.write(HTTPChunk.end) }
    }

    public func write(_ bytes: [UInt8]) { write(bytes.span.raw) }

    /// The body is whole.
    public func finish() {
        guard !isWritten, let link = connection?.link, case .pieces(let length) = body else { return }
        precondition(due ?? 0 == 0, "less of a body than its length says")
        isWritten = true
        if length == nil { link.write(HTTPChunk.last) }
    }
}

extension HTTPCall: TimerTarget {
    private static let wholeToken: UInt64 = 1
    private static let quietToken: UInt64 = 2

    public func timerFired(_ token: UInt64, on loop: Loop) {
        switch token {
        case Self.wholeToken: if let whole = limits.whole { fail(.noResponse(within: whole)) }
        default: checkQuiet(loop)
        }
    }

    /// Quick pieces cost no timer: one that is set looks when the last of them came.
    private func checkQuiet(_ loop: Loop) {
        guard let quiet = limits.quiet, !isOver else { return }
        let silence = isPaused ? .zero : loop.now - heardAt
        if silence >= quiet { return fail(.quiet(for: quiet)) }
        quietTimer = loop.after(quiet - silence, self, token: Self.quietToken)
    }
}
