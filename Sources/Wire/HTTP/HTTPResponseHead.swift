/// What a response says before its body.
public struct HTTPResponseHead: Sendable, Equatable {
    public var status: HTTPStatus
    /// The words behind the number. Nobody should decide anything by them.
    public var reason: String
    public var headers: HTTPHeaders
    public var version: HTTPVersion

    /// Without a reason of its own it has the usual one.
    public init(
        _ status: HTTPStatus, _ headers: HTTPHeaders = HTTPHeaders(), reason: String? = nil,
        version: HTTPVersion = .http11
    ) {
        (self.status, self.headers, self.version) = (status, headers, version)
        self.reason = reason ?? status.reason
    }

    /// The sender will take another request on this connection.
    public var keepsAlive: Bool { headers.keepsAlive(version) }
}
