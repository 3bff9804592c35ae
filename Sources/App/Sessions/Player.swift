import OmniwayTransport

/// A session as other loops and tasks hold it.
public struct Player: Sendable, Hashable {
    /// The session's number.
    public let id: Int64
    /// Who it was when this was made.
    public let uid: String?
    /// Nil when the client is connected to another server.
    let place: SessionPlace?
    let mailbox: Mailbox<AppMail>

    public static func == (a: Player, b: Player) -> Bool { a.id == b.id }
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    /// Runs `body` with the session, on its loop. False when the client is connected to another server, or the loop is
    /// far behind. Nothing runs for a session that has ended.
    @discardableResult
    public func run(_ body: @escaping @Sendable (Session) -> Void) -> Bool {
        place.map { mailbox.post(.run($0.link, body)) } ?? false
    }

    /// Tells the client to leave, and closes. False as for `run`.
    @discardableResult
    public func kick() -> Bool { place.map { mailbox.post(.kick($0.link, .kicked)) } ?? false }
}
