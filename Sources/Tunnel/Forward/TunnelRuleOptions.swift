import OmniwayWire

/// How a rule treats its visitors, and how it reaches its target.
public struct TunnelRuleOptions: Sendable, Equatable {
    /// Who may come, where visitors can say who they are: through SOCKS5 and HTTP.
    public var login: TunnelLogin?
    /// Of a domain: visitors' TLS goes to the target as it is, found by the name that it asks for.
    public var passesTLS = false
    /// What requests for a domain say as their host: empty for that of the target, `*` for what the visitor has said.
    public var host = ""
    /// Of a target that is `https://`: its certificate is not looked at.
    public var trustsAnyCertificate = false
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
        if passesTLS { members.append(("Tls", .string("passthrough"))) }
        if !host.isEmpty { members.append(("HostRewrite", .string(host))) }
        if trustsAnyCertificate { members.append(("InsecureSkipVerify", .bool(true))) }
        return members
    }

    init(_ reader: MemberReader) throws(TunnelRefusal) {
        let (user, mark) = (try reader.text("User"), try reader.text("PasswordMark"))
        guard user.utf8.count <= 255, mark.utf8.count <= 255 else { throw reader.bad("User") }
        if !mark.isEmpty { login = TunnelLogin(user: user, mark: mark) }
        switch try reader.text("Tls") {
        case "", "terminate": break
        case "passthrough": passesTLS = true
        default: throw reader.bad("Tls")
        }
        host = try reader.text("HostRewrite")
        guard host.isEmpty || host == "*" || host.isHostField else { throw reader.bad("HostRewrite") }
        trustsAnyCertificate = try reader.flag("InsecureSkipVerify")
    }
}
