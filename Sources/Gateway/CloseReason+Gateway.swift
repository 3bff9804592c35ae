public import OmniwayTransport

extension CloseReason {
    /// The peer sent a message into a connection of others.
    public static let foreignConnection = CloseReason("foreign-connection", sendsTheRest: false)
    /// A server does not know the key.
    public static let wrongKey = CloseReason("wrong-key", sendsTheRest: false)
    /// A server has not said in time who it is.
    public static let loginTimeout = CloseReason("login-timeout", sendsTheRest: false)
    /// Another server has the id, and newcomers are rejected.
    public static let duplicateServer = CloseReason("duplicate-server", sendsTheRest: false)
    /// The admission hook said no.
    public static let notAdmitted = CloseReason("not-admitted", sendsTheRest: false)
    /// A ping was not answered.
    public static let pingTimeout = CloseReason("ping-timeout", sendsTheRest: false)
    /// The gateway ends, and has waited long enough.
    public static let drained = CloseReason("drained")

    /// The gateway has ended it for a reason that an operator may ask for; peers come and go without one.
    var isOurs: Bool {
        ![.finished, .done, .reset, .drained, .shutdown].contains(self)
    }
}
