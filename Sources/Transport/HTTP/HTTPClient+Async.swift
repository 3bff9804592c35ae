import OmniwayTelemetry
public import OmniwayWire

/// A whole response.
public struct HTTPResponse: Sendable {
    public let head: HTTPResponseHead
    public let body: [UInt8]

    public var status: HTTPStatus { head.status }
    public var headers: HTTPHeaders { head.headers }
    /// The body as text; what is not UTF-8 becomes a replacement character.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

extension HTTPClient {
    /// Asks, and waits for the whole response. On the client's loop; a cancelled task gives up the request.
    public nonisolated(nonsending) func send(
        _ request: HTTPRequestHead, _ body: HTTPRequestBody = .none, limits: HTTPClientLimits? = nil
    ) async throws(HTTPClientError) -> HTTPResponse {
        let ticket = HTTPTicket()
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in begin(request, body, limits, ticket, waiter) }
        } onCancel: {
            ticket.cancel()
        }.get()
    }

    public nonisolated(nonsending) func get(_ target: String, _ headers: HTTPHeaders = HTTPHeaders())
        async throws(HTTPClientError) -> HTTPResponse
    {
        try await send(HTTPRequestHead(.get, target, headers))
    }

    public nonisolated(nonsending) func post(
        _ target: String, _ body: [UInt8], _ headers: HTTPHeaders = HTTPHeaders()
    ) async throws(HTTPClientError) -> HTTPResponse {
        try await send(HTTPRequestHead(.post, target, headers), .bytes(body))
    }

    fileprivate func begin(
        _ request: HTTPRequestHead, _ body: HTTPRequestBody, _ limits: HTTPClientLimits?, _ ticket: HTTPTicket,
        _ waiter: CheckedContinuation<Result<HTTPResponse, HTTPClientError>, Never>
    ) {
        let collector = HTTPCollector(waiter, cancelling)
        let call = send(request, body, limits: limits, to: collector)
        if !call.isOver { collector.number = cancelling.add(call, ticket) }
    }
}

/// The same from anywhere: for tests, and for what does not live on the client's loop.
extension LoopBound<HTTPClient> {
    public func send(
        _ request: HTTPRequestHead, _ body: HTTPRequestBody = .none, limits: HTTPClientLimits? = nil
    ) async throws(HTTPClientError) -> HTTPResponse {
        let ticket = HTTPTicket()
        let client = self
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                Task { await client.run { _, client in client.begin(request, body, limits, ticket, waiter) } }
            }
        } onCancel: {
            ticket.cancel()
        }.get()
    }

    public func get(_ target: String, _ headers: HTTPHeaders = HTTPHeaders()) async throws(HTTPClientError)
        -> HTTPResponse
    {
        try await send(HTTPRequestHead(.get, target, headers))
    }

    public func post(
        _ target: String, _ body: [UInt8], _ headers: HTTPHeaders = HTTPHeaders()
    ) async throws(HTTPClientError) -> HTTPResponse {
        try await send(HTTPRequestHead(.post, target, headers), .bytes(body))
    }
}

/// Waits for a whole response.
private final class HTTPCollector: HTTPResponseHandler {
    private let waiter: CheckedContinuation<Result<HTTPResponse, HTTPClientError>, Never>
    private let cancelling: HTTPCancelling
    var number: UInt64 = 0
    private var head = HTTPResponseHead(.ok)
    private var body: [UInt8] = []

    init(
        _ waiter: CheckedContinuation<Result<HTTPResponse, HTTPClientError>, Never>, _ cancelling: HTTPCancelling
    ) {
        (self.waiter, self.cancelling) = (waiter, cancelling)
    }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) { self.head = head }
    func receive(_ bytes: RawSpan, of call: HTTPCall) { body.append(contentsOf: bytes) }

    func ended(_ call: HTTPCall) {
        cancelling.remove(number)
        waiter.resume(returning: .success(HTTPResponse(head: head, body: body)))
    }

    func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        cancelling.remove(number)
        waiter.resume(returning: .failure(error))
    }
}

/// What a task's cancellation reaches from any thread: a request under way.
private final class HTTPTicket: Sendable {
    private enum State {
        case waiting
        case underWay(number: UInt64, Mailbox<UInt64>)
        case cancelled
    }
    private let state = Lock(State.waiting)

    /// False when it was cancelled already.
    func begin(_ number: UInt64, _ mailbox: Mailbox<UInt64>) -> Bool {
        state.withLock { state in
            if case .cancelled = state { return false }
            state = .underWay(number: number, mailbox)
            return true
        }
    }

    func cancel() {
        if case .underWay(let number, let mailbox) = state.withLock({ exchange(&$0, with: .cancelled) }) {
            mailbox.post(number)
        }
    }
}

/// The calls of a client that tasks wait for, and the door through which they are cancelled.
final class HTTPCancelling {
    private var calls: [UInt64: HTTPCall] = [:]
    private var next: UInt64 = 0
    private var mailbox: Mailbox<UInt64>?

    init(on loop: Loop) {
        mailbox = loop.mailbox { [weak self] number in self?.calls[number]?.cancel() }
    }

    /// The number by which it is removed again.
    fileprivate func add(_ call: HTTPCall, _ ticket: HTTPTicket) -> UInt64 {
        guard let mailbox else { return 0 }
        next += 1
        if !ticket.begin(next, mailbox) {
            call.cancel()
        } else {
            calls[next] = call
        }
        return next
    }

    fileprivate func remove(_ number: UInt64) { calls[number] = nil }

    func end(on loop: Loop) {
        if let mailbox { loop.remove(mailbox) }
        mailbox = nil
    }
}
