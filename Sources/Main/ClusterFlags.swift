import Omniway
package import OmniwayArguments

/// Where a cluster is: flags of every command that has to do with one.
package enum ClusterFlags {
    static let etcd = Flag(
        "etcd", .strings, default: [], placeholder: "url",
        help: "The cluster's registry: http://host:2379 or https://; by default on this machine. May be repeated.")
    static let nats = Flag(
        "nats", .strings, default: [], placeholder: "url",
        help: "The cluster's bus: nats://host:4222 or tls://; by default on this machine. May be repeated.")
    static let prefix = Flag(
        "prefix", .string, default: "pitaya/", placeholder: "text",
        help: "What its keys in the registry begin with; clusters that share one have different ones.")

    static let etcdUser = Flag(
        "etcd-user", .string, default: "", placeholder: "text",
        help: "Who this is to a registry that asks for a login.")
    static let etcdPassword = Flag(
        "etcd-password-file", .string, default: "", placeholder: "path",
        help: "A file with the password of --etcd-user.")
    static let natsCredentials = Flag(
        "nats-creds", .string, default: "", placeholder: "path",
        help: "Who this is to a bus that asks for a login, where its address does not say so: a .creds file of nsc.")
    static let natsKey = Flag(
        "nats-nkey-file", .string, default: "", placeholder: "path",
        help: "The same by a file with the seed of an nkey.")
    static let roots = Flag(
        "cluster-ca", .string, default: "", placeholder: "path",
        help: "Certificates in PEM that sign those of https:// and tls:// here, instead of the system's.")

    package static let all: [any AnyFlag] = [
        etcd, etcdUser, etcdPassword, nats, natsCredentials, natsKey, roots, prefix,
    ]

    /// What was given counts more than what the settings have.
    package static func apply(_ call: Invocation, to settings: inout ClusterSettings) throws {
        if call.given(etcd) { settings.etcd.endpoints = call[etcd] }
        if call.given(nats) { settings.nats = call[nats] }
        if call.given(prefix) { settings.prefix = call[prefix] }
        guard call[etcdUser].isEmpty == call[etcdPassword].isEmpty else { throw ClusterFlagError.halfLogin }
        if !call[etcdUser].isEmpty {
            settings.etcd.user = call[etcdUser]
            settings.etcd.password = try secret(in: call[etcdPassword])
        }
        if !call[natsCredentials].isEmpty, !call[natsKey].isEmpty { throw ClusterFlagError.twoLogins }
        if !call[natsCredentials].isEmpty { settings.natsCredentials = try .file(call[natsCredentials]) }
        if !call[natsKey].isEmpty { settings.natsCredentials = .key(seed: try secret(in: call[natsKey])) }
        if !call[roots].isEmpty {
            let isSecret = (settings.etcd.endpoints + settings.nats).contains {
                $0.hasPrefix("https://") || $0.hasPrefix("tls://")
            }
            guard isSecret else { throw ClusterFlagError.nothingSecret }
            settings.etcd.trust = .roots(files: call[roots])
            if settings.nats.contains(where: { $0.hasPrefix("tls://") }) {
                settings.natsTLS = NATSTLS(trust: .roots(files: call[roots]))
            }
        }
    }

    private static func secret(in path: String) throws -> Secret {
        guard let secret = try Secret.lines(of: path).first else { throw ClusterFlagError.empty(path) }
        return secret
    }

    static func isGiven(_ call: Invocation) -> Bool {
        call.given(etcd) || call.given(nats)
            || [etcdUser, etcdPassword, natsCredentials, natsKey, roots, prefix].contains { call.given($0) }
    }
}

package enum ClusterFlagError: Error, Equatable, CustomStringConvertible {
    case halfLogin
    case twoLogins
    case nothingSecret
    case empty(String)

    package var description: String {
        switch self {
        case .halfLogin: "--etcd-user and --etcd-password-file belong together; give both, or none"
        case .twoLogins: "--nats-creds and --nats-nkey-file say both who this is; give one of them"
        case .nothingSecret: "--cluster-ca is for https:// and tls://, and no address here is such a one"
        case .empty(let path): "\(path) is empty; it should have a secret in its first line"
        }
    }
}
