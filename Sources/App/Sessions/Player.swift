import OmniwayTransport

/// A session as other loops and tasks hold it.
public struct Player: Sendable, Hashable {
    /// The session's number.
    public let id: Int64
    /// Who it was when this was made.
    public let uid: String?
    let place: SessionPlace
    let mailbox: Mailbox<AppMail>

    public static func == (a: Player, b: Player) -> Bool { a.id == b.id }
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    /// Runs `body` with the session, on its loop. False when the session has ended or its loop is far behind.
    @discardableResult
    public func run(_ body: @escaping @Sendable (Session) -> Void) -> Bool {
        mailbox.post(.run(place.link, body))
    }

    /// Tells the client to leave, and closes.
    @discardableResult
    public func kick() -> Bool { mailbox.post(.kick(place.link, .kicked)) }
}
