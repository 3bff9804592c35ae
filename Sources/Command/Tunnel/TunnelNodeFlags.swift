import Omniway
import OmniwayArguments
import OmniwayMain

/// The flags of `omniway node`.
enum TunnelNodeFlags {
    private static let standard = TunnelNodeSettings()

    static let listen = Flag(
        "listen", .strings, default: [], placeholder: "address",
        help:
            "Where clients come in, and the HTTP interface: host:port with TLS, or tcp://host:port without, for "
            + "networks that are trusted. May be repeated. By default :\(TunnelNodeAddress.usualPort).")
    static let http = Flag(
        "http", .strings, default: [], placeholder: "address",
        help: "Where visitors of names come in over HTTP, such as :80. May be repeated. --listen takes them too.")
    static let https = Flag(
        "https", .strings, default: [], placeholder: "address",
        help: "The same over TLS, such as :443, with the node's certificate; rules may have it go on to the target.")
    static let domain = Flag(
        "domain", .string, default: "", placeholder: "name",
        help: "Rules for a name that say none get one below this, and nobody can choose such a one.")
    static let proxies = Flag(
        "trust-proxy", .strings, default: [], placeholder: "range",
        help: "Who may say for whom a request to a name comes, in X-Forwarded-For. May be repeated. By default nobody.")
    static let monthly = Flag(
        "monthly-bytes", .size, default: 0,
        help: "What the rules of one client may move in a month at all nodes; 0 sets no limit.")
    static let data = Flag(
        "data", .string, default: "", placeholder: "path",
        help: "The folder of its id, its certificate and its registry; by default node in $OMNIWAY_DATA or ~/.omniway.")
    static let registry = Flag(
        "registry", .string, default: "", placeholder: "memory|path",
        help: "Where clients and rules are kept: a file of SQLite, or memory. By default registry.db in the folder.")
    static let etcd = Flag(
        "etcd", .strings, default: [], placeholder: "url",
        help: "Keep them in etcd, which many nodes may share: http://host:2379 or https://. May be repeated.")
    static let etcdUser = Flag(
        "etcd-user", .string, default: "", placeholder: "name", help: "Who the node is to etcd, where that asks.")
    static let etcdPassword = Flag(
        "etcd-password-file", .string, default: "", placeholder: "path",
        help: "A file with that user's password on its first line.")
    static let id = Flag(
        "id", .string, default: "", placeholder: "uuid",
        help: "Which node of the registry it is; by default it draws one, and keeps it in the folder.")
    static let advertise = Flag(
        "advertise", .string, default: "", placeholder: "host:port", help: "Where the other nodes reach this one.")
    static let clusterKey = Flag(
        "cluster-key-file", .string, default: "", placeholder: "path",
        help: "A file with the secret that all nodes have on its first line; by default $OMNIWAY_CLUSTER_KEY.")
    static let allowPorts = Flag(
        "allow-ports", .string, default: "20000-20999", placeholder: "ports",
        help: "Ports of this machine that clients may have, such as 2222,8000-8999; none for none.")
    static let publicHost = Flag(
        "public-host", .string, default: "", placeholder: "address",
        help: "The address of this machine that those ports are opened at; by default every one.")
    static let registerKey = Flag(
        "register-key-file", .string, default: "", placeholder: "path",
        help: "A file with a word that new clients must know; without it anybody may become one.")
    static let register = Flag("register", .boolean, default: true, help: "Whether there may be new clients.")
    static let adminKey = Flag(
        "admin-key-file", .string, default: "", placeholder: "path",
        help: "A file with the secret of administrators of the HTTP interface; without it there are none.")
    static let connections = Flag(
        "max-connections", .integer(1...1_000_000), default: 100_000, placeholder: "count",
        help: "Most connections of clients and nodes, and to the HTTP interface.")
    static let perAddress = Flag(
        "max-connections-per-address", .integer(1...1_000_000), default: 1000, placeholder: "count",
        help: "Most of them from one address; a client has two or more.")
    static let certificate = Flag(
        "tls-cert", .strings, default: [], placeholder: "path",
        help:
            "A certificate, followed by those that signed it; read again when it changes. By default the node makes "
            + "one, which clients remember. Of several the first is the node's own; visitors of a name get the one "
            + "that has it.")
    static let certificateKey = Flag(
        "tls-key", .strings, default: [], placeholder: "path", help: "The key of that certificate, as often.")
    static let admin = Flag(
        "admin-addr", .string, default: "127.0.0.1:9180", placeholder: "address",
        help: "Where the dashboard is, and /healthz, /readyz and /metrics: host:port, unix:path, or none.")
    static let drain = Flag(
        "drain-timeout", .duration, default: .seconds(30),
        help: "How long SIGTERM lets visitors go on, while clients look for another node.")

    /// What concerns the node of the tunnel, and not the process that it is in.
    static let part: [any AnyFlag] =
        [listen, http, https, domain, proxies, registry, etcd, etcdUser, etcdPassword, id, advertise, clusterKey]
        + [allowPorts, publicHost]
        + [registerKey, register, adminKey, monthly, connections, perAddress, certificate, certificateKey]
    static let all: [any AnyFlag] = [data] + part + [admin, drain] + LogFlags.all

    /// What they say of the process. One loop has the whole node.
    static func node(_ call: Invocation) throws -> Node.Configuration {
        var node = Node.Configuration()
        node.loops = 1
        node.drainLimit = call[drain]
        if call[admin] != "none" {
            guard let address = SocketAddress(call[admin]) else { throw TunnelFlagError.admin(call[admin]) }
            node.admin = address
        }
        return node
    }

    static func configuration(_ call: Invocation, environment: [String: String]) throws -> TunnelPart.Configuration {
        let folder =
            call[data].isEmpty ? DataFolder(DataFolder.standard(environment).file("node")) : DataFolder(call[data])
        return try configuration(call, in: folder, environment: environment)
    }

    static func configuration(
        _ call: Invocation, in folder: DataFolder, environment: [String: String]
    ) throws -> TunnelPart.Configuration {
        var configuration = TunnelPart.Configuration()
        configuration.folder = folder
        if !call[listen].isEmpty {
            configuration.ports = try call[listen].map { text in
                guard let port = TunnelPort(text) else { throw TunnelFlagError.address("--listen", text) }
                return port
            }
        }
        for (flag, addresses) in [("--http", call[http]), ("--https", call[https])] {
            for text in addresses where SocketAddress(text) == nil && HostPort(text) == nil {
                throw TunnelFlagError.address(flag, text)
            }
        }
        (configuration.http, configuration.https) = (call[http], call[https])
        if call.given(etcd), call.given(registry) { throw TunnelFlagError.twoRegistries }
        if !call[etcd].isEmpty {
            var settings = EtcdSettings()
            settings.endpoints = call[etcd]
            guard call[etcdUser].isEmpty == call[etcdPassword].isEmpty else { throw TunnelFlagError.halfUser }
            if !call[etcdUser].isEmpty {
                settings.user = call[etcdUser]
                settings.password = Secret(try secret(call[etcdPassword], "--etcd-password-file"))
            }
            configuration.registry = .etcd(settings)
        } else if !call[etcdUser].isEmpty || !call[etcdPassword].isEmpty {
            throw TunnelFlagError.userOfNothing
        } else if call[registry] == "memory" {
            configuration.registry = .memory
        } else if !call[registry].isEmpty {
            configuration.registry = .sqlite(call[registry])
        }
        let (certificates, keys) = (call[certificate], call[certificateKey])
        guard certificates.count == keys.count else { throw TunnelFlagError.halfIdentity }
        configuration.identities = zip(certificates, keys).map { .files(certificate: $0, key: $1) }
        configuration.limits = ConnectionLimits(total: call[connections], perAddress: call[perAddress])
        configuration.api.adminKey = try secret(call[adminKey], "--admin-key-file")
        try prepare(&configuration.node, call, environment)
        return configuration
    }

    private static func prepare(
        _ node: inout TunnelNodeSettings, _ call: Invocation, _ environment: [String: String]
    ) throws {
        if !call[id].isEmpty {
            guard TunnelNodeSettings.isID(call[id]) else { throw TunnelFlagError.id(call[id]) }
            node.id = call[id]
        }
        if !call[advertise].isEmpty {
            guard let at = HostPort(call[advertise]), !at.host.isEmpty, at.port > 0 else {
                throw TunnelFlagError.address("--advertise", call[advertise])
            }
            node.advertise = call[advertise]
        }
        var shared = try secret(call[clusterKey], "--cluster-key-file")
        if shared.isEmpty { shared = environment["OMNIWAY_CLUSTER_KEY"] ?? "" }
        guard shared.isEmpty || shared.utf8.count >= 16 else { throw TunnelFlagError.shortKey }
        guard node.advertise.isEmpty == shared.isEmpty else { throw TunnelFlagError.halfCluster }
        node.clusterKey = Array(shared.utf8)
        node.allowPorts = try ports(call[allowPorts])
        if !call[publicHost].isEmpty {
            guard let host = SocketAddress(host: call[publicHost], port: 0) else {
                throw TunnelFlagError.address("--public-host", call[publicHost])
            }
            node.publicHost = host
        }
        node.trustedProxies = try call[proxies].map { text in
            guard let range = AddressRange(text) else { throw TunnelFlagError.range(text) }
            return range
        }
        if !call[domain].isEmpty {
            guard case .domain(let name)? = TunnelAddress(call[domain]) else {
                throw TunnelFlagError.domain(call[domain])
            }
            node.domain = name
        }
        if call[monthly] > 0 { node.monthlyBytes = call[monthly] }
        node.registers = call[register]
        node.registerKey = try secret(call[registerKey], "--register-key-file")
    }

    private static func ports(_ text: String) throws -> [ClosedRange<UInt16>] {
        if text == "none" { return [] }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, 0 < first, first <= last
            else { throw TunnelFlagError.ports(text) }
            return first...last
        }
    }

    /// The first line of a file; empty when there is no file to read.
    static func secret(_ path: String, _ flag: String) throws -> String {
        guard !path.isEmpty else { return "" }
        guard let line = try Secret.lines(of: path).first, !line.revealed.isEmpty else {
            throw TunnelFlagError.noSecret(flag, path)
        }
        return line.revealed
    }
}

enum TunnelFlagError: Error, Equatable, CustomStringConvertible {
    case address(String, String)
    case admin(String)
    case id(String)
    case ports(String)
    case noSecret(String, String)
    case shortKey
    case halfCluster
    case halfIdentity
    case halfUser
    case userOfNothing
    case twoRegistries
    case fingerprint(String)
    case twoTrusts
    case allowance(String)
    case target(String)
    case nobody(String)
    case range(String)
    case login(String)
    case health(String)
    case domain(String)
    case bulk(TunnelNodeAddress)
    case bulkOfMany

    var description: String {
        switch self {
        case .address(let flag, let text): "\(flag) \(text) is not an address; write host:port"
        case .admin(let text): "--admin-addr \(text) is not an address; write host:port, unix:path, or none"
        case .id(let text): "--id \(text) is no id of a node; write a UUID in lower case, or leave it out"
        case .ports(let text): "--allow-ports \(text) are no ports; write such as 2222,8000-8999, or none"
        case .noSecret(let flag, let path): "\(flag): \(path) has nothing on its first line; write the secret there"
        case .shortKey: "the cluster's key is short enough to be guessed; use 16 bytes or more"
        case .halfCluster: "a cluster needs both, --advertise and its key; see --cluster-key-file"
        case .halfIdentity: "--tls-cert and --tls-key belong together; give both, or none, and each as often"
        case .halfUser: "--etcd-user and --etcd-password-file belong together; give both, or none"
        case .userOfNothing: "--etcd-user and --etcd-password-file are for etcd; say by --etcd where that is"
        case .twoRegistries: "--etcd and --registry are two registries; give one of them"
        case .fingerprint(let text): "--certificate \(text) is no SHA-256 of a certificate; copy what the node prints"
        case .twoTrusts: "--ca, --certificate and --new-certificate are three ways to know a node; give one of them"
        case .allowance(let text): "--allow-target \(text) is none; write such as tcp://10.0.0.0/8:22, tcp://nas:80-89"
        case .target(let text): "\(text) is nothing to expose; write a port, or host:port"
        case .range(let text): "--trust-proxy \(text) is no range of addresses; write such as 10.0.0.0/8"
        case .domain(let text): "--domain \(text) is no name; write such as tunnel.example.org"
        case .health(let text): "--health-check \(text) is none; write tcp, or a path such as /health"
        case .login(let path): "--login-file: \(path) has no user:password on its first line; write it there"
        case .bulk(let node):
            "--bulk needs plain TCP, which \(node) is not; on a network that is trusted start the node with "
                + "--listen tcp://host:port and say --node tcp://host:port here, or leave --bulk out"
        case .bulkOfMany: "--bulk is for tcp, and for http at a port; leave it out for datagrams and for names"
        case .nobody(let path): "\(path) has no identity; start omniway client first, or name the file by --identity"
        }
    }
}
