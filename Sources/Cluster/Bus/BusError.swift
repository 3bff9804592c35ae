/// Why the bus did not do what it was asked for.
public enum BusError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nobody listens to the subject.
    case noResponders(String)
    /// Somebody may have got the request, and has not answered in time.
    case timedOut(String, after: Duration)
    /// There is no connection to the bus now; nothing was sent.
    case away(String)
    /// The connection ended after the request was sent: whether anybody has got it is not known.
    case connectionLost(String)
    case tooLarge(Int, limit: Int)
    case badSubject(String, BusSubject.Fault)
    case badHeaders
    /// The server was told to carry none.
    case noHeaders
    /// So much waits to be sent already; the server does not take it.
    case full(bytes: Int)
    case tooManyRequests(limit: Int)
    case tooManySubscriptions(limit: Int)
    case configuration(String)
    case cancelled
    case closed

    /// One word that stays the same, for counters and for those who decide by it.
    public var code: String {
        switch self {
        case .noResponders: "no-responders"
        case .timedOut: "timed-out"
        case .away: "bus-away"
        case .connectionLost: "bus-lost"
        case .tooLarge: "too-large"
        case .badSubject: "bad-subject"
        case .badHeaders: "bad-headers"
        case .noHeaders: "no-headers"
        case .full: "bus-full"
        case .tooManyRequests: "too-many-requests"
        case .tooManySubscriptions: "too-many-subscriptions"
        case .configuration: "configuration"
        case .cancelled: "cancelled"
        case .closed: "bus-closed"
        }
    }

    public var description: String {
        switch self {
        case .noResponders(let subject): "nobody listens to \(subject); is a server of that kind running?"
        case .timedOut(let subject, let limit): "no answer from \(subject) within \(limit)"
        case .away(let words): "the bus is away: \(words); try again when it is back"
        case .connectionLost(let words):
            "the connection to the bus ended before the answer came (\(words)); the request may have been carried out"
        case .tooLarge(let count, let limit): "a message of \(count) bytes; the bus takes \(limit), so send it in parts"
        case .badSubject(let subject, let fault): "'\(subject)' is no subject: \(fault)"
        case .badHeaders: "headers that cannot be written: a name has no blanks and no colon, a value is one line"
        case .noHeaders: "the server of the bus carries no headers; send without, or allow them in its configuration"
        case .full(let bytes): "\(bytes) bytes wait for the bus already; send less, or try again later"
        case .tooManyRequests(let limit): "\(limit) requests wait for answers already; try again later"
        case .tooManySubscriptions(let limit): "\(limit) subscriptions are there already; cancel some, or raise it"
        case .configuration(let words): words
        case .cancelled: "the request was cancelled"
        case .closed: "the bus is closed"
        }
    }
}
