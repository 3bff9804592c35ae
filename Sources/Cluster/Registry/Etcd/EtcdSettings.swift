public import OmniwayTelemetry
public import OmniwayTransport

/// Where an etcd cluster is, and who we are to it.
///
/// ```swift
/// EtcdSettings("https://10.0.0.1:2379", "https://10.0.0.2:2379", user: "omniway", password: secret,
///     trust: .roots(files: "/etc/etcd/ca.pem"))
/// ```
public struct EtcdSettings: Sendable {
    /// `http://host:port` or `https://host:port`, members of one cluster. One is used at a time, at first any of them,
    /// and the next when it does not answer.
    public var endpoints: [String]
    public var user: String?
    public var password: Secret?
    /// Whose certificates are good, for `https`.
    public var trust: TLSTrust
    /// Who we are, for members that ask for a certificate.
    public var identity: TLSIdentity?

    public init(
        _ endpoints: String..., user: String? = nil, password: Secret? = nil, trust: TLSTrust = .system,
        identity: TLSIdentity? = nil
    ) {
        (self.endpoints, self.user, self.password) = (endpoints, user, password)
        (self.trust, self.identity) = (trust, identity)
    }

    /// How to reach each member.
    func members() throws(RegistryError) -> [EtcdAddress] {
        if endpoints.isEmpty { throw RegistryError(.invalid, "no etcd endpoint; give at least one") }
        var members: [EtcdAddress] = []
        for endpoint in endpoints { members.append(try member(endpoint)) }
        return members
    }

    private func member(_ endpoint: String) throws(RegistryError) -> EtcdAddress {
        let isSecret = endpoint.hasPrefix("https://")
        let scheme = isSecret ? "https://" : "http://"
        var name = endpoint.hasPrefix(scheme) ? endpoint.dropFirst(scheme.count) : endpoint[...]
        if name.last == "/" { name = name.dropLast() }
        guard !name.contains("/"), let host = HostPort(String(name)) else {
            throw RegistryError(.invalid, "\(endpoint) is no etcd endpoint; write it as http://host:2379")
        }
        let sockets = SocketAddress(String(name)).map { StreamDialer($0) } ?? StreamDialer(host)
        guard isSecret else { return EtcdAddress(name: endpoint, host: host, dialer: sockets) }
        do throws(TLSError) {
            let secret = try TLSClient(host: host.host, trust: trust, identity: identity).over(sockets)
            return EtcdAddress(name: endpoint, host: host, dialer: secret)
        } catch { throw RegistryError(.invalid, "TLS for \(endpoint) cannot be set up: \(error)") }
    }
}

/// One member of a cluster.
struct EtcdAddress: Sendable {
    let name: String
    let host: HostPort
    let dialer: any Dialer
}
