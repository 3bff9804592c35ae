public import OmniwayTransport

extension CloseReason {
    /// The client has said something that the protocol does not know, or not there.
    public static let badPacket = CloseReason("bad-packet", sendsTheRest: false)
    /// The handshake was refused: it was malformed, or a check said no.
    public static let handshakeRefused = CloseReason("handshake-refused")
    /// Nothing was heard for more than two heartbeats.
    public static let heartbeatTimeout = CloseReason("heartbeat-timeout", sendsTheRest: false)
    public static let kicked = CloseReason("kicked")
    /// The user has come again, elsewhere.
    public static let replaced = CloseReason("replaced")
    /// The time is over for which the client's token held.
    public static let expired = CloseReason("expired")
    public static let tooManySessions = CloseReason("too-many-sessions", sendsTheRest: false)
}
