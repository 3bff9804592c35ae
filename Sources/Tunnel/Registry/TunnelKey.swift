import OmniwayCluster

/// Where the nodes of a tunnel keep what they know together. Ids are checked before they come here, so none of them
/// reaches into another's keys.
enum TunnelKey {
    static let nodes: RegistryBytes = "/zhangyu/node/online/"
    static let online: RegistryBytes = "/zhangyu/client/online/"
    static let tunnels: RegistryBytes = "/zhangyu/client/tunnel/"
    static let rules: RegistryBytes = "/zhangyu/client/listen/"

    /// What tokens of the HTTP interface are signed with.
    static let signing: RegistryBytes = "/zhangyu/jwt/sign"

    static func node(_ id: String) -> RegistryBytes { nodes + RegistryBytes(id) }
    static func online(_ client: String) -> RegistryBytes { online + RegistryBytes(client) }
    static func record(_ client: String) -> RegistryBytes { "/zhangyu/client/record/\(client)" }
    static func tunnel(_ number: String) -> RegistryBytes { tunnels + RegistryBytes(number) }

    static func rule(_ owner: String, _ address: String) -> RegistryBytes { rules(of: owner) + RegistryBytes(address) }
    static func rules(of owner: String) -> RegistryBytes { rules + "\(owner)=>" }
    /// Who reaches a target: what it looks through to revoke.
    static func reverse(_ target: String, _ owner: String, _ address: String) -> RegistryBytes {
        reverse(of: target) + "\(owner)=>\(address)"
    }
    static func reverse(of target: String) -> RegistryBytes { "/zhangyu/listenby/\(target)/" }

    /// What the rules of one owner have moved in a month.
    static func traffic(_ owner: String, _ month: String) -> RegistryBytes { "/zhangyu/stats/\(owner)/\(month)" }

    /// Whose name, or port, it is: the owner of the rule.
    static func claim(_ address: TunnelAddress) -> RegistryBytes? {
        switch address {
        case .domain(let name): "/zhangyu/domain/list/\(name)"
        case .port(.udp, _, let port): "/zhangyu/port/list/udp/\(port)"
        case .port(.tcp, _, let port), .port(.socks5, _, let port): "/zhangyu/port/list/\(port)"
        case .client, .unix: nil
        }
    }
    /// Those who share a name or port.
    static func members(_ mark: String) -> RegistryBytes { "/zhangyu/group/\(mark)/" }
    static func member(_ mark: String, _ owner: String) -> RegistryBytes { members(mark) + RegistryBytes(owner) }

    /// The domains of one owner.
    static func domain(_ name: String, of owner: String) -> RegistryBytes { "/zhangyu/domain/\(owner)/\(name)" }
}
