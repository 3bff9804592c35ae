/// What a request asks for. Any token may be one; case counts.
public struct HTTPMethod: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    public static var get: HTTPMethod { HTTPMethod(rawValue: "GET") }
    public static var head: HTTPMethod { HTTPMethod(rawValue: "HEAD") }
    public static var post: HTTPMethod { HTTPMethod(rawValue: "POST") }
    public static var put: HTTPMethod { HTTPMethod(rawValue: "PUT") }
    public static var delete: HTTPMethod { HTTPMethod(rawValue: "DELETE") }
    public static var patch: HTTPMethod { HTTPMethod(rawValue: "PATCH") }
    public static var options: HTTPMethod { HTTPMethod(rawValue: "OPTIONS") }
    public static var trace: HTTPMethod { HTTPMethod(rawValue: "TRACE") }
    public static var connect: HTTPMethod { HTTPMethod(rawValue: "CONNECT") }

    /// Asking twice does what asking once does, so a request that may have been lost can be sent again.
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }
}
