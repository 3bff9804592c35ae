import OmniwayWire

/// An error that a client is told as it is. Any other error becomes one with the code `PIT-000` and its own words.
public struct AppError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Those of the protocol begin with `PIT-`; an application has its own.
    public var code: String
    public var message: String
    public var metadata: [String: String]

    public init(_ code: String, _ message: String, metadata: [String: String] = [:]) {
        (self.code, self.message, self.metadata) = (code, message, metadata)
    }

    public var description: String { code.isEmpty ? message : "\(code): \(message)" }
}

extension AppError {
    /// What became of a message that no handler has answered well.
    public static let unknown = "PIT-000"
    public static let badRequest = "PIT-400"
    public static let notFound = "PIT-404"
    public static let timeout = "PIT-408"
    /// More messages than the rate limit allows.
    public static let tooManyRequests = "PIT-429"
    /// The client has gone.
    public static let gone = "PIT-499"
    public static let internalError = "PIT-500"
    /// As much is under way as may be; `retry-after` in the metadata says how many seconds to wait.
    public static let overloaded = "PIT-503"

    /// Another server, or the cluster, cannot be reached now.
    public static let unavailable = "PIT-503"

    static let tooMuch = AppError(overloaded, "too much is under way; try again later")
    static let noReply = AppError(unknown, "reply must not be null")

    /// As a client is told of any error.
    init(_ error: any Error) {
        switch error {
        case let error as AppError: self = error
        case is CancellationError: self.init(AppError.timeout, "the request was cancelled")
        default: self.init(AppError.unknown, "\(error)")
        }
    }
}

// MARK: As bytes

extension AppError {
    private init(_ failure: PomeloFailure) {
        self.init(failure.code, failure.message, metadata: failure.metadata)
    }
    private var failure: PomeloFailure { PomeloFailure(code: code, message: message, metadata: metadata) }

    public var json: [UInt8] { failure.json }
    public var protobuf: [UInt8] { failure.protobuf }

    public init(json body: [UInt8]) throws {
        self.init(try PomeloFailure(json: unsafe body.span.bytes, limits: .messages))  // Safe: bytes have no padding.
    }
    public init(protobuf body: [UInt8]) throws {
        self.init(try PomeloFailure(protobuf: unsafe body.span.bytes))  // Safe: bytes have no padding.
    }
}

extension JSON.Reader.Limits {
    /// Of what peers say about themselves and of errors; bodies are the application's.
    static var messages: JSON.Reader.Limits { JSON.Reader.Limits(bytes: 64 << 10, depth: 32) }
}
