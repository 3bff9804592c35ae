public import OmniwayWire

/// Asks one server, over connections of one dialer that it keeps and uses again. It lives on one loop.
public final class HTTPClient {
    public let loop: Loop
    public let limits: HTTPClientLimits
    private let dialer: any Dialer
    private let host: String
    private var connections: [HTTPClientConnection] = []
    /// Those without a call. The last one was used last.
    private var free: [HTTPClientConnection] = []
    private var waiting: [HTTPCall] = []
    private var isClosed = false
    let cancelling: HTTPCancelling

    /// A client of the server that `dialer` leads to. `host` is what the requests say: a name, with the port unless it
    /// is the usual one.
    public init(on loop: Loop, _ dialer: any Dialer, host: String, limits: HTTPClientLimits = HTTPClientLimits()) {
        (self.loop, self.dialer, self.host, self.limits) = (loop, dialer, host, limits)
        cancelling = HTTPCancelling(on: loop)
    }

    deinit { cancelling.end(on: loop) }

    /// Connections that are open or being opened.
    public var connectionCount: Int { connections.count }

    /// Sends a request, when there is a connection for it. The handler is kept until it has heard the end.
    @discardableResult
    public func send(
        _ request: HTTPRequestHead, _ body: HTTPRequestBody = .none, limits: HTTPClientLimits? = nil,
        to handler: any HTTPResponseHandler
    ) -> HTTPCall {
        var request = request
        if !request.headers.contains("host") {
            var headers: HTTPHeaders = ["Host": host]
            for (name, value) in request.headers { headers.add(name, value) }
            request.headers = headers
        }
        let call = HTTPCall(request, body, limits ?? self.limits, of: self, handler)
        do throws(HTTPWriteError) {
            try call.prepare()
            start(call)
        } catch { call.fail(.badRequest(error)) }
        return call
    }

    /// Ends all connections; whatever is under way fails.
    public func close() {
        isClosed = true
        for call in exchange(&waiting, with: []) { call.fail(.closed) }
        for connection in connections { connection.end() }
    }

    // MARK: Connections

    private func start(_ call: HTTPCall) {
        if isClosed { return call.fail(.closed) }
        while let connection = free.popLast() {
            if connection.isOpen { return connection.begin(call) }  // It may have ended in this very turn.
        }
        if connections.count < limits.connections {
            dial(for: call)
        } else if waiting.count < limits.waiting {
            waiting.append(call)
        } else {
            call.fail(.tooManyWaiting(limit: limits.waiting))
        }
    }

    private func dial(for call: HTTPCall) {
        let connection = HTTPClientConnection(of: self)
        guard let link = dialer.dial(on: loop, deadline: limits.connect, handler: connection) else {
            return call.fail(.noRoom)
        }
        connections.append(connection)
        connection.dials(link)
        connection.begin(call)
    }

    /// Others that are free may be as dead as the one on which it failed, so it gets a new one.
    func retry(_ call: HTTPCall) { if isClosed { call.fail(.closed) } else { dial(for: call) } }

    func isFree(_ connection: HTTPClientConnection) {
        if waiting.isEmpty { free.append(connection) } else { connection.begin(waiting.removeFirst()) }
    }

    func hasLeft(_ connection: HTTPClientConnection) {
        connections.removeAll { $0 === connection }
        free.removeAll { $0 === connection }
    }

    func startWaiting() {
        while !waiting.isEmpty, !free.isEmpty || connections.count < limits.connections { start(waiting.removeFirst()) }
    }

    func forget(_ call: HTTPCall) { waiting.removeAll { $0 === call } }
}
