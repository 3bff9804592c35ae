public import OmniwayTransport
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
    /// The target hears by a PROXY header who comes: only over streams, and not where several visitors share one.
    public var proxyHeader: ProxyAnnouncement.Version?
    /// A word that rules of several clients for one name or port share: they take turns then. In a rule that is made it
    /// is a mark of it.
    public var group = ""
    public init() {}
}

extension TunnelRuleOptions {
    /// Whether that is something for such a rule; nil, or what it is not for.
    func objection(_ listen: TunnelAddress, to target: TargetAddress) -> String? {
        let isName = if case .domain = listen { true } else { false }
        if login != nil, !isName || passesTLS, !listen.asks { return "a login is for SOCKS5, and for names over HTTP" }
        if passesTLS, !isName || target.scheme == .file { return "only a name can be found in TLS that passes" }
        if !host.isEmpty || trustsAnyCertificate, !isName || passesTLS { return "only requests for a name have a host" }
        if !group.isEmpty, listen.isAtClient { return "only names and ports of nodes have groups" }
        if proxyHeader != nil, listen.keepsMessages || listen.asks || isName && !passesTLS || target.scheme == .file {
            return "a PROXY header is for streams of one visitor each"
        }
        return nil
    }
}

extension ProxyAnnouncement {
    /// For a target that does not ask where the visitor went to.
    init(_ visitor: SocketAddress, _ version: Version) {
        let anywhere: SocketAddress =
            switch visitor {
            case .ipv4: .ipv4(0, port: 0)
            case .ipv6: .ipv6(high: 0, low: 0, port: 0)
            case .unix, .none: .none
            }
        self.init(source: visitor, destination: anywhere, version: version)
    }
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
        if let proxyHeader { members.append(("ProxyProtocol", .string(proxyHeader == .v1 ? "v1" : "v2"))) }
        if !group.isEmpty { members.append(("Group", .string(group))) }
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
        group = try reader.text("Group")
        guard group.utf8.count <= 255 else { throw reader.bad("Group") }
        guard host.isEmpty || host == "*" || host.isHostField else { throw reader.bad("HostRewrite") }
        switch try reader.text("ProxyProtocol") {
        case "": break
        case "v1": proxyHeader = .v1
        case "v2": proxyHeader = .v2
        default: throw reader.bad("ProxyProtocol")
        }
        trustsAnyCertificate = try reader.flag("InsecureSkipVerify")
    }
}
