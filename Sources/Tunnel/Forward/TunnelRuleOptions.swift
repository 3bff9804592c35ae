import OmniwayWire

/// How a rule treats its visitors, and how it reaches its target.
public struct TunnelRuleOptions: Sendable, Equatable {
    /// Who may come, where visitors can say who they are: through SOCKS5 and HTTP.
    public var login: TunnelLogin?
    public init() {}
}

/// A name and a password, of which only a salted mark is kept.
public struct TunnelLogin: Sendable, Equatable {
    public let user: String
    let mark: String

    public init(user: String, password: String) { (self.user, mark) = (user, Secret.mark(password)) }
    fileprivate init(user: String, mark: String) { (self.user, self.mark) = (user, mark) }

    public func admits(user: String, password: String) -> Bool {
        let isUser = Secret.isEqual(user, self.user)
        return Secret.isMark(mark, of: password) && isUser
    }
}

extension TunnelRuleOptions {
    /// Members of a rule, or with small letters of a wish for one.
    var members: [(name: String, value: JSON)] {
        var members: [(String, JSON)] = []
        if let login { members += [("User", .string(login.user)), ("PasswordMark", .string(login.mark))] }
        return members
    }

    init(_ reader: MemberReader) throws(TunnelRefusal) {
        let (user, mark) = (try reader.text("User"), try reader.text("PasswordMark"))
        guard user.utf8.count <= 255, mark.utf8.count <= 255 else { throw reader.bad("User") }
        if !mark.isEmpty { login = TunnelLogin(user: user, mark: mark) }
    }
}
