/// What a request says before its body.
public struct HTTPRequestHead: Sendable, Equatable {
    public var method: HTTPMethod
    /// As it stands in the request line: a path with its query, or a whole URI, `host:port`, or `*`.
    public var target: String
    public var headers: HTTPHeaders
    public var version: HTTPVersion

    public init(
        _ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders = HTTPHeaders(), version: HTTPVersion = .http11
    ) {
        (self.method, self.target, self.headers, self.version) = (method, target, headers, version)
    }

    /// The sender will take another response on this connection.
    public var keepsAlive: Bool { headers.keepsAlive(version) }

    /// The sender waits for `100 Continue` before it sends the body.
    public var expectsContinue: Bool { version == .http11 && headers.lists("expect", "100-continue") }

    /// The sender wants to go on with that protocol, such as `websocket`.
    public func asksUpgrade(to name: String) -> Bool {
        version == .http11 && headers.lists("connection", "upgrade") && headers.lists("upgrade", name)
    }
}

extension HTTPHeaders {
    func keepsAlive(_ version: HTTPVersion) -> Bool {
        switch version {
        case .http11: !lists("connection", "close")
        case .http10: lists("connection", "keep-alive") && !lists("connection", "close")
        }
    }
}
