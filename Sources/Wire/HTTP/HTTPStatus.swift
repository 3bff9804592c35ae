/// The number that says how a request went.
public struct HTTPStatus: Hashable, Sendable, CustomStringConvertible {
    public let code: Int

    /// A status of three digits, from 100 to 599.
    public init(_ code: Int) {
        precondition(100...599 ~= code, "a status is between 100 and 599")
        self.code = code
    }

    public var description: String { "\(code) \(reason)" }
    /// A response with this status only says that another will follow.
    public var isInformational: Bool { code < 200 }
    public var isSuccess: Bool { 200...299 ~= code }
    /// A response with this status never has a body.
    public var hasNoBody: Bool { code < 200 || code == 204 || code == 304 }

    public static var `continue`: HTTPStatus { HTTPStatus(100) }
    public static var switchingProtocols: HTTPStatus { HTTPStatus(101) }
    public static var ok: HTTPStatus { HTTPStatus(200) }
    public static var created: HTTPStatus { HTTPStatus(201) }
    public static var accepted: HTTPStatus { HTTPStatus(202) }
    public static var noContent: HTTPStatus { HTTPStatus(204) }
    public static var movedPermanently: HTTPStatus { HTTPStatus(301) }
    public static var found: HTTPStatus { HTTPStatus(302) }
    public static var seeOther: HTTPStatus { HTTPStatus(303) }
    public static var notModified: HTTPStatus { HTTPStatus(304) }
    public static var temporaryRedirect: HTTPStatus { HTTPStatus(307) }
    public static var permanentRedirect: HTTPStatus { HTTPStatus(308) }
    public static var badRequest: HTTPStatus { HTTPStatus(400) }
    public static var unauthorized: HTTPStatus { HTTPStatus(401) }
    public static var forbidden: HTTPStatus { HTTPStatus(403) }
    public static var notFound: HTTPStatus { HTTPStatus(404) }
    public static var methodNotAllowed: HTTPStatus { HTTPStatus(405) }
    public static var requestTimeout: HTTPStatus { HTTPStatus(408) }
    public static var conflict: HTTPStatus { HTTPStatus(409) }
    public static var gone: HTTPStatus { HTTPStatus(410) }
    public static var contentTooLarge: HTTPStatus { HTTPStatus(413) }
    public static var targetTooLong: HTTPStatus { HTTPStatus(414) }
    public static var unsupportedMediaType: HTTPStatus { HTTPStatus(415) }
    public static var expectationFailed: HTTPStatus { HTTPStatus(417) }
    public static var unprocessableContent: HTTPStatus { HTTPStatus(422) }
    public static var upgradeRequired: HTTPStatus { HTTPStatus(426) }
    public static var tooManyRequests: HTTPStatus { HTTPStatus(429) }
    public static var headersTooLarge: HTTPStatus { HTTPStatus(431) }
    public static var internalServerError: HTTPStatus { HTTPStatus(500) }
    public static var notImplemented: HTTPStatus { HTTPStatus(501) }
    public static var badGateway: HTTPStatus { HTTPStatus(502) }
    public static var serviceUnavailable: HTTPStatus { HTTPStatus(503) }
    public static var gatewayTimeout: HTTPStatus { HTTPStatus(504) }
    public static var versionNotSupported: HTTPStatus { HTTPStatus(505) }

    /// The words that stand behind the number; empty for one without usual words.
    public var reason: String {
        switch code {
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 407: "Proxy Authentication Required"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}
