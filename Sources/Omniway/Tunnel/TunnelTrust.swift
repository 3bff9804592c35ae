import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayTunnel

/// Which certificates of nodes a client takes.
public struct TunnelTrust: Sendable {
    private enum Kind: Sendable {
        case firstUse(expected: TLSFingerprint?)
        case authority(TLSTrust)
    }
    private let kind: Kind
    /// What certificates must name instead of the host that is dialled.
    public var serverName: String?

    /// What a node shows the first time is kept beside the identity, and it must show the same from then on. With a
    /// fingerprint it must be that one from the beginning.
    public static func firstUse(_ expected: TLSFingerprint? = nil) -> TunnelTrust {
        TunnelTrust(kind: .firstUse(expected: expected))
    }

    /// What an authority vouches for.
    public static func authority(_ trust: TLSTrust) -> TunnelTrust { TunnelTrust(kind: .authority(trust)) }

    /// For one node. It reads the file, and writes to it later. `learned` hears of a certificate that is new.
    public func trust(
        in node: TunnelNodeAddress, keptIn file: TunnelIdentityFile,
        learned: @escaping @Sendable (TLSFingerprint) -> Void = { _ in }
    ) throws -> TLSTrust {
        switch kind {
        case .authority(let trust): return trust
        case .firstUse(let expected):
            let host = serverName ?? node.at.host
            let known = try expected ?? file.pin(of: node)
            return .pinned(
                by: TLSPins(known.map { [host: $0] } ?? [:]) { _, fingerprint in
                    learned(fingerprint)
                    Task.detached { await Self.keep(fingerprint, of: node, in: file) }
                })
        }
    }

    @concurrent private static func keep(
        _ fingerprint: TLSFingerprint, of node: TunnelNodeAddress, in file: TunnelIdentityFile
    ) async {
        do throws(TunnelIdentityFileError) { try file.pin(fingerprint, of: node) } catch {
            Log.shared.error("the certificate of a node is not kept", ["node": node.name, "error": "\(error)"])
        }
    }
}
