public import OmniwayTransport

/// Why a client does not do what it was asked for. What a server says is an `AppError`.
public enum AppClientError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no connection, or it ended before the answer came.
    case lost(CloseReason)
    /// The server has told this client to leave.
    case kicked
    /// The server does not let this client in, with the code that it gave.
    case refused(code: Int)
    /// The two sides write bodies differently.
    case serializer(server: String, client: String)
    case disconnected
    /// As many messages wait to be sent as may.
    case tooManyWaiting(Int)
    /// A value, or its route, cannot be sent.
    case unsendable(String)
    /// The answer is not what was asked for.
    case unreadable(String)
    case settings(String)

    public var description: String {
        switch self {
        case .lost(let reason): "there is no connection to the server: \(reason)"
        case .kicked: "the server has told this client to leave; it connects no more"
        case .refused(let code):
            "the server refused the handshake with code \(code); see what it asks of a handshake's user data"
        case .serializer(let server, let client):
            "the server writes \(server) and this client \(client); set the client's serializer to the server's"
        case .disconnected: "the client was disconnected; make another one"
        case .tooManyWaiting(let count): "\(count) messages wait to be sent already; send fewer, or raise mostWaiting"
        case .unsendable(let text): "cannot be sent: \(text)"
        case .unreadable(let text): "the answer cannot be read: \(text)"
        case .settings(let text): "the client's settings: \(text)"
        }
    }
}

extension AppError {
    /// No answer came in time: made by the client itself.
    public static let noAnswer = "PIT-504"
}

extension CloseReason {
    /// What a client says first could not be made, so it did not connect.
    public static let noHandshake = CloseReason("no-handshake")
}
