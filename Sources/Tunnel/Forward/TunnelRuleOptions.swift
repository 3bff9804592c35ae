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
    /// How the targets of a group are looked at, whether visitors come or not.
    public var health: TunnelHealthCheck?
    /// Visitors bring and take much: each has a connection of its own between client and node, which the node joins in
    /// the kernel where neither side is encrypted.
    public var isBulk = false
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
        let isOfOneVisitor = !(listen.keepsMessages || listen.asks || isName && !passesTLS || target.scheme == .file)
        if proxyHeader != nil, !isOfOneVisitor { return "a PROXY header is for streams of one visitor each" }
        if let health {
            if group.isEmpty { return "a health check is for rules of a group: visitors of others have no choice" }
            let speaks = [.http, .tcp, .unix].contains(target.scheme)
            guard speaks || target.scheme == .https && health == .connects else {
                return "this target can only be looked at by a connection, or not at all"
            }
        }
        if isBulk, !isOfOneVisitor { return "a connection of its own is for streams of one visitor each" }
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
            case .unix, .passed, .none: .none
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
        if let health { members.append(("HealthCheck", .string(health.text))) }
        if isBulk { members.append(("Bulk", .bool(true))) }
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
        isBulk = try reader.flag("Bulk")
        let check = try reader.text("HealthCheck")
        health = TunnelHealthCheck(check)
        guard check.isEmpty || health != nil else { throw reader.bad("HealthCheck") }
    }
}

/// How a target shows that it is well.
public enum TunnelHealthCheck: Sendable, Equatable {
    /// It takes a connection.
    case connects
    /// It answers a request over HTTP for this path, with a status below 400.
    case answers(path: String)

    /// `tcp`, or a path such as `/health`; nil for anything else.
    public init?(_ text: String) {
        if text == "tcp" {
            self = .connects
        } else if text.hasPrefix("/"), text.utf8.count <= 255, text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) {
            self = .answers(path: text)
        } else {
            return nil
        }
    }

    /// As it is written.
    public var text: String {
        switch self {
        case .connects: "tcp"
        case .answers(let path): path
        }
    }
}
