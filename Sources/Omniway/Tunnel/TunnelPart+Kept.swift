import OmniwayTransport
import OmniwayTunnel
import OmniwayWire

/// What a node is after a restart as before it.
extension TunnelPart {
    private static let (certificate, key, node) = ("node.crt", "node.key", "node.json")
    /// Nobody asks an authority about it, so nobody renews it.
    private static let days = 3650

    /// Its own certificate and key, made at the first start. The key is written first, so that a certificate without
    /// one is never there.
    static func keptIdentity(_ configuration: Configuration) throws -> TLSIdentity {
        let folder = configuration.folder
        if try folder.read(certificate) == nil {
            var names = ["localhost", "127.0.0.1", "::1"]
            if let host = HostPort(configuration.node.advertise)?.host, !host.isEmpty { names.insert(host, at: 0) }
            if !Host.name.isEmpty, !names.contains(Host.name) { names.append(Host.name) }
            let made = try TLSIdentity.selfSigned(names, days: days)
            try folder.write(Array(made.keyPEM.utf8), to: key)
            try folder.write(Array(made.certificatePEM.utf8), to: certificate)
        }
        return .files(certificate: folder.file(certificate), key: folder.file(key))
    }

    /// How often files are looked at. The others refuse the new certificate until they have heard of it.
    private static let renewalInterval = Duration.seconds(2)

    /// Tells the other nodes when the node has a new certificate.
    static func tellRenewals(of identity: TLSIdentity, to node: LoopBound<TunnelNode>) -> Task<Void, Never> {
        Task.detached { await tell(identity, node) }
    }

    @concurrent private static func tell(_ identity: TLSIdentity, _ node: LoopBound<TunnelNode>) async {
        while (try? await Task.sleep(for: renewalInterval)) != nil {
            // Half of a renewal, or none: the old one serves on, and the next look is soon.
            guard let fingerprint = try? identity.fingerprint else { continue }
            await node.run { _, node in node.renewed(fingerprint) }
        }
    }

    /// The id by which a registry knows the node, under the original's name for it.
    static func keptID(_ folder: DataFolder) throws -> String {
        if let bytes = try folder.read(node), case .string(let id)? = (try? JSON.Reader.go.read(bytes))?["TerminalId"] {
            guard TunnelNodeSettings.isID(id) else { throw DataFolderError.content(folder.file(node), "a node's id") }
            return id
        }
        let id = TunnelNodeSettings.newID()
        let json: JSON = ["TerminalId": .string(id)]
        try folder.write(JSON.Writer(layout: .indented(2)).bytes(of: json), to: node)
        return id
    }
}
