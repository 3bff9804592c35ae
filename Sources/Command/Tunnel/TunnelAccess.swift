import FoundationEssentials
import Omniway
import OmniwayArguments
import OmniwayMain

/// How commands come to a node, and as whom.
struct TunnelAccess {
    static let node = Flag(
        "node", .strings, default: [], placeholder: "address",
        help:
            "A node: host:port with TLS, or tcp://, wss:// or ws:// before it. May be repeated. By default those in "
            + "the identity's file, or 127.0.0.1:\(TunnelNodeAddress.usualPort).")
    static let identity = Flag(
        "identity", .string, default: "", placeholder: "path",
        help: "The file that says who the client is; by default client.json in $OMNIWAY_DATA or ~/.omniway, and for "
            + "expose one for each target.")
    static let authority = Flag(
        "ca", .string, default: "", placeholder: "path|system",
        help: "Who vouches for the node's certificate: a file of PEM, or system. By default the first one is kept.")
    static let certificate = Flag(
        "certificate", .string, default: "", placeholder: "sha256",
        help: "The certificate that the node must show, as it prints it.")
    static let newCertificate = Flag(
        "new-certificate", .boolean, default: false,
        help: "Forget the certificate that the node had, and take the one that it shows now.")
    static let serverName = Flag(
        "server-name", .string, default: "", placeholder: "host",
        help: "The name in the node's certificate, where it is not the host that is dialled.")

    static let flags: [any AnyFlag] = [node, identity, authority, certificate, newCertificate, serverName]

    let nodes: [TunnelNodeAddress]
    let file: TunnelIdentityFile
    let trust: TunnelTrust

    /// `usual` is the file when none is named.
    init(_ call: Invocation, usual: String = "client.json") throws {
        if call[Self.identity].isEmpty {
            let folder = DataFolder.standard()
            try folder.create()
            let older = usual == "client.json" ? folder.file("node.json") : nil
            file = TunnelIdentityFile(folder.file(usual), older: older)
        } else {
            let path = call[Self.identity]
            let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
            file = TunnelIdentityFile(path, older: folder + "node.json")
        }
        var names = call[Self.node]
        if names.isEmpty { names = try file.nodes() }
        if names.isEmpty { names = ["127.0.0.1"] }
        nodes = try names.map { try TunnelNodeAddress($0) }
        let ways = [!call[Self.authority].isEmpty, !call[Self.certificate].isEmpty, call[Self.newCertificate]]
        guard ways.count(where: { $0 }) <= 1 else { throw TunnelFlagError.twoTrusts }
        var trust = TunnelTrust.firstUse()
        if call[Self.authority] == "system" {
            trust = .authority(.system)
        } else if !call[Self.authority].isEmpty {
            trust = .authority(.roots(files: call[Self.authority]))
        } else if !call[Self.certificate].isEmpty {
            guard let fingerprint = TLSFingerprint(call[Self.certificate]) else {
                throw TunnelFlagError.fingerprint(call[Self.certificate])
            }
            trust = .firstUse(fingerprint)
        }
        if call[Self.newCertificate] { for node in nodes { try file.pin(nil, of: node) } }
        if !call[Self.serverName].isEmpty { trust.serverName = call[Self.serverName] }
        self.trust = trust
    }

    /// What is to be done when a node's certificate is not the one that was expected.
    static func advice(_ reason: CloseReason) -> String? {
        guard reason.name == CloseReason.certificateRefused.name else { return nil }
        return "somebody may be between you and the node. If it has a new certificate, and you have compared it with "
            + "what the node prints, run this once with --new-certificate"
    }
}
