/// Why a link ended, in words. A face adds its own as static members; the name is what logs and counters show.
public struct CloseReason: Sendable, Equatable, CustomStringConvertible {
    public let name: String
    /// What the system or the peer said, where that helps.
    public let detail: String?
    /// What was written before is still sent. False when that cannot work, or must not.
    public let sendsTheRest: Bool
    /// The number that the peer gave, or is to be given, where a protocol has numbers for it: WebSocket's close code.
    public let code: UInt16?

    public init(_ name: String, code: UInt16? = nil, detail: String? = nil, sendsTheRest: Bool = true) {
        (self.name, self.code, self.detail, self.sendsTheRest) = (name, code, detail, sendsTheRest)
    }

    public var description: String { detail.map { "\(name): \($0)" } ?? name }
    public static func == (a: CloseReason, b: CloseReason) -> Bool { a.name == b.name }

    /// The same reason with more words.
    public func with(_ detail: String) -> CloseReason {
        CloseReason(name, code: code, detail: detail, sendsTheRest: sendsTheRest)
    }

    /// The same reason with a number.
    public func with(code: UInt16?) -> CloseReason {
        CloseReason(name, code: code, detail: detail, sendsTheRest: sendsTheRest)
    }

    /// Both directions came to their end.
    public static let finished = CloseReason("finished")
    /// This side had no more use for it.
    public static let done = CloseReason("done")
    /// Nobody wanted the link.
    public static let refused = CloseReason("refused")
    public static let shutdown = CloseReason("shutdown")
    public static let idle = CloseReason("idle")
    /// The other end of a relay ended first.
    public static let relayEnded = CloseReason("relay-ended")
    /// One direction ended and the other did not follow in time.
    public static let lingered = CloseReason("lingered")
    /// The peer does not read what it is sent.
    public static let slowReader = CloseReason("slow-reader", sendsTheRest: false)
    /// The peer sent more than the handler can take as one piece.
    public static let unreadLimit = CloseReason("unread-limit")
    /// The peer broke the connection off.
    public static let reset = CloseReason("reset", sendsTheRest: false)
    /// The peer stopped answering.
    public static let peerLost = CloseReason("peer-lost", sendsTheRest: false)
    public static let connectFailed = CloseReason("connect-failed", sendsTheRest: false)
    public static let connectTimeout = CloseReason("connect-timeout", sendsTheRest: false)
    public static let addressUnknown = CloseReason("address-unknown", sendsTheRest: false)
    /// The loop or the process has no room for another link.
    public static let tooManyLinks = CloseReason("too-many-links", sendsTheRest: false)
    /// The system refused an operation.
    public static let systemError = CloseReason("system-error", sendsTheRest: false)
    /// The link goes on elsewhere: on another loop, or as a part of something.
    public static let detached = CloseReason("detached", sendsTheRest: false)
}
