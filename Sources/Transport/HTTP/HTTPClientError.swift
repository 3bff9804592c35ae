public import OmniwayWire

/// Why there is no response, or not all of it.
public enum HTTPClientError: Error, Equatable, CustomStringConvertible {
    case connectFailed(CloseReason)
    /// The connection ended before the response was whole.
    case connectionLost(CloseReason)
    /// What came is not an answer that can be read, or it is too large.
    case badResponse(HTTPMessageError)
    case badRequest(HTTPWriteError)
    case noResponse(within: Duration)
    case quiet(for: Duration)
    case tooManyWaiting(limit: Int)
    case noRoom
    case cancelled
    case unexpectedSwitch(HTTPStatus)
    case closed

    public var description: String {
        switch self {
        case .connectFailed(let reason): "no connection to the server: \(reason)"
        case .connectionLost(let reason): "the connection ended before the response was whole: \(reason)"
        case .badResponse(let error): "the response cannot be read: \(error)"
        case .badRequest(let error): "the request cannot be written: \(error)"
        case .noResponse(let limit): "the response was not whole within \(limit); ask for less, or allow more time"
        case .quiet(let limit): "nothing of the response came for \(limit)"
        case .tooManyWaiting(let limit): "\(limit) requests wait for a connection already; try again later"
        case .noRoom: "the loop has no room for another link; close some, or raise its limit"
        case .cancelled: "the request was cancelled"
        case .unexpectedSwitch(let status): "the server switched to another protocol (\(status)), which nobody takes"
        case .closed: "the client was closed"
        }
    }
}

/// How long things may take, how large a response may be, and how many connections there are.
public struct HTTPClientLimits: Sendable {
    /// The parts of responses.
    public var message: HTTPLimits
    /// Until there is a connection.
    public var connect: Duration
    /// From the request until the whole response; nil for one that never ends.
    public var whole: Duration?
    /// Between two pieces of a response; nil for one that may be silent.
    public var quiet: Duration?
    /// How long a connection without a request is kept; with zero each request has a connection of its own.
    public var idle: Duration
    public var connections: Int
    /// How many requests may wait for one of them.
    public var waiting: Int

    public init(
        message: HTTPLimits = HTTPLimits(), connect: Duration = .seconds(10), whole: Duration? = .seconds(60),
        quiet: Duration? = .seconds(30), idle: Duration = .seconds(30), connections: Int = 8, waiting: Int = 1024
    ) {
        precondition(connections > 0 && waiting >= 0, "at least one connection")
        (self.message, self.connect, self.whole, self.quiet) = (message, connect, whole, quiet)
        (self.idle, self.connections, self.waiting) = (idle, connections, waiting)
    }
}
