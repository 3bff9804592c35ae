import OmniwayTelemetry
public import OmniwayWire

/// Answers the HTTP requests of the links that it is given, whatever acceptor they come from. One on each loop.
public final class HTTPServer: LinkIntake {
    public let loop: Loop
    let routes: HTTPRoutes
    let limits: HTTPServerLimits
    let counters: HTTPServerCounters
    /// Where heads are put together before they are queued.
    var scratch: [UInt8] = []
    private(set) var isDraining = false
    private let date = HTTPDate()

    public init(on loop: Loop, routes: HTTPRoutes, limits: HTTPServerLimits = HTTPServerLimits()) {
        (self.loop, self.routes, self.limits) = (loop, routes, limits)
        counters = HTTPServerCounters(loop.meters)
    }

    public func accept(_ link: Link) -> (any LinkHandler)? {
        if link.traits.keepsMessages || isDraining { return nil }
        return HTTPConnection(link, of: self)
    }

    /// Ends connections that wait for another request, and the others with the response that is due.
    public func drain() {
        isDraining = true
        for connection in connections { connection.drain() }
    }

    /// Connections that are open, those not included that are WebSockets by now.
    public var connectionCount: Int { connections.count }

    private var connections: [HTTPConnection] {
        var found: [HTTPConnection] = []
        loop.forEachLink { link in
            if let connection = link.handler as? HTTPConnection, connection.server === self { found.append(connection) }
        }
        return found
    }

    /// The value of Date for a response that is written now.
    var dateBytes: [UInt8] { date.bytes(on: loop) }
}

/// How large requests may be and how long they may take. Whoever goes beyond gets an answer that says so, and its
/// connection ends.
public struct HTTPServerLimits: Sendable {
    /// The parts of requests. `body` is for routes that have no limit of their own.
    public var message: HTTPLimits
    /// From the first byte of a head to its last, or from the connection's beginning: 408.
    public var headDeadline: Duration
    /// Within each such time a body brings `bodyProgress` bytes: 408.
    public var bodyInterval: Duration
    public var bodyProgress: Int
    /// How long a connection waits for another request.
    public var idle: Duration
    /// How long the client may take nothing of a response.
    public var stall: Duration
    /// How long a client that has ended its direction may be sent nothing of a response that is due. Whether it has
    /// only half-closed or is gone shows when it is written to.
    public var halfClosed: Duration
    /// How many requests there may be on one connection; the last response says that it is.
    public var requests: Int

    public init(
        message: HTTPLimits = HTTPLimits(), headDeadline: Duration = .seconds(10),
        bodyInterval: Duration = .seconds(10),
        bodyProgress: Int = 2048, idle: Duration = .seconds(60), stall: Duration = .seconds(60),
        halfClosed: Duration = .seconds(10), requests: Int = 100_000
    ) {
        precondition(requests > 0 && bodyProgress >= 0, "at least one request on a connection")
        (self.message, self.headDeadline, self.bodyInterval) = (message, headDeadline, bodyInterval)
        (self.bodyProgress, self.idle, self.stall) = (bodyProgress, idle, stall)
        (self.halfClosed, self.requests) = (halfClosed, requests)
    }
}

/// What the servers of a loop count.
struct HTTPServerCounters {
    /// By the first digit of the status.
    let responses: [Counter]
    let unanswered: Counter
    let late: Counter
    let duration: Histogram

    init(_ meters: Meters) {
        responses = (1...5).map {
            meters.counter(
                "omniway_http_responses_total", "Responses of HTTP servers, by status.", labels: [("status", "\($0)xx")]
            )
        }
        unanswered = meters.counter(
            "omniway_http_unanswered_total", "Requests whose handler failed or let go of them without an answer.")
        late = meters.counter(
            "omniway_http_late_answers_total", "Answers to requests that had one, or whose client had left.")
        duration = meters.histogram(
            "omniway_http_response_seconds", "From the end of a request's head to that of its response.")
    }

    func count(_ status: Int, after time: Duration? = nil) {
        responses[status / 100 - 1].add(1)
        if let time { duration.record(nanoseconds: time.nanoseconds) }
    }
}
