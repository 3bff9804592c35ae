/// What a message of the original asks or answers: one of nine words. Any other text is an operation that nobody knows.
public struct PheromoneOperation: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    public static let connectRequest = Self(rawValue: "connectreq")
    public static let connectResponse = Self(rawValue: "connectresp")
    public static let getRequest = Self(rawValue: "getreq")
    public static let getResponse = Self(rawValue: "getresp")
    public static let fetchRequest = Self(rawValue: "fetchreq")
    public static let fetchResponse = Self(rawValue: "fetchresp")
    public static let noticeRequest = Self(rawValue: "noticereq")
    public static let noticeResponse = Self(rawValue: "noticeresp")
    /// What an operation is answered with that is none of these. It is never answered itself.
    public static let unknown = Self(rawValue: "unknownop")

    /// What the original answers it with. Nil for the last message of a session, and for all that are unknown.
    public var answer: PheromoneOperation? {
        switch self {
        case .connectRequest: .connectResponse
        case .connectResponse: .getRequest
        case .getRequest: .getResponse
        case .getResponse: .fetchRequest
        case .fetchRequest: .fetchResponse
        case .fetchResponse: .noticeRequest
        case .noticeRequest: .noticeResponse
        default: nil  // Any text may stand here.
        }
    }

    /// One of the nine words.
    package var isKnown: Bool { answer != nil || self == .noticeResponse || self == .unknown }
}
