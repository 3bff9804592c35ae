import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Who is logged in at the dashboard. Whoever has a session's secret has its role.
struct AdminSessions {
    enum Role: String { case view, operate }

    private struct Session {
        let mark: [UInt8]
        let role: Role
        let until: Moment
    }

    private var sessions: [Session] = []
    /// Marks of the secrets that open a session, and whether they do so once.
    private var secrets: [(mark: [UInt8], role: Role, isOnce: Bool)] = []
    private var wrong = 0
    private var wrongSince: Moment?

    private static let lasts = Duration.seconds(12 * 3600)
    private static let most = 64
    private static let wrongInMinute = 10

    /// A secret for one login.
    mutating func makeLogin() -> String {
        let secret = SecretBytes.random(24).hexadecimal
        allow(secret, .operate, isOnce: true)
        return secret
    }

    mutating func allow(_ secret: String, _ role: Role, isOnce: Bool) {
        secrets.append((Self.mark(of: secret), role, isOnce))
    }

    enum LoginError: Error { case wrong, tooOften }

    /// The secret of a new session.
    mutating func logIn(with secret: String, at now: Moment) throws(LoginError) -> String {
        if wrongSince.map({ now - $0 > .seconds(60) }) ?? true { (wrong, wrongSince) = (0, now) }
        guard wrong < Self.wrongInMinute else { throw .tooOften }
        let mark = Self.mark(of: secret)
        guard let index = secrets.firstIndex(where: { HMAC.isEqual($0.mark, mark) }) else {
            wrong += 1
            throw .wrong
        }
        let role = secrets[index].role
        if secrets[index].isOnce { secrets.remove(at: index) }
        sessions.removeAll { $0.until <= now }
        if sessions.count >= Self.most { sessions.removeFirst() }
        let made = SecretBytes.random(24).hexadecimal
        sessions.append(Session(mark: Self.mark(of: made), role: role, until: now + Self.lasts))
        return made
    }

    func role(of secret: String, at now: Moment) -> Role? {
        let mark = Self.mark(of: secret)
        return sessions.first { $0.until > now && HMAC.isEqual($0.mark, mark) }?.role
    }

    mutating func logOut(_ secret: String) {
        let mark = Self.mark(of: secret)
        sessions.removeAll { HMAC.isEqual($0.mark, mark) }
    }

    /// What is kept of a secret, so that memory gives none away.
    private static func mark(of secret: String) -> [UInt8] { Digest.sha256(Array(secret.utf8)) }
}

extension [UInt8] {
    fileprivate var hexadecimal: String {
        map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
