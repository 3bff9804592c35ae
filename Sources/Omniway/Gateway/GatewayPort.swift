/// Where a gateway listens, as a text says it: `host:port`, `unix:/path`, or a URL whose scheme is the carrier and
/// whose query is what this port does otherwise than the others, as in `wss://0.0.0.0:443/gateway?dialect=v1`.
public struct GatewayPort: Sendable, Equatable {
    public enum Carrier: String, Sendable, CaseIterable { case tcp, tls, ws, wss }
    public var carrier = Carrier.tcp
    /// In digits, or a name that is looked up when the gateway starts.
    public var address: String
    /// Of WebSocket ports; nil takes any.
    public var path: String?
    /// Nil for that of the side.
    public var dialect: GatewayDialect?

    public init(_ address: String) throws(GatewayPortError) {
        var rest = address[...]
        if let colon = rest.firstRange(of: "://") {
            let scheme = String(rest[..<colon.lowerBound])
            guard let carrier = Carrier(rawValue: scheme) else { throw .carrier(scheme, in: address) }
            self.carrier = carrier
            rest = rest[colon.upperBound...]
        }
        if let mark = rest.firstIndex(of: "?") {
            dialect = try Self.dialect(rest[rest.index(after: mark)...], in: address)
            rest = rest[..<mark]
        }
        if carrier == .ws || carrier == .wss, let slash = rest.firstIndex(of: "/") {
            path = String(rest[slash...])
            rest = rest[..<slash]
        }
        self.address = String(rest)
        guard SocketAddress(self.address) != nil || HostPort(self.address) != nil else { throw .address(address) }
    }

    private static func dialect(_ query: Substring, in address: String) throws(GatewayPortError) -> GatewayDialect? {
        let parts = query.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, parts[0] == "dialect" else { throw .option(String(query), in: address) }
        guard let dialect = GatewayDialect(rawValue: String(parts[1])) else { throw .dialect(String(parts[1])) }
        return dialect
    }
}

public enum GatewayPortError: Error, Equatable, CustomStringConvertible {
    case address(String)
    case carrier(String, in: String)
    case option(String, in: String)
    case dialect(String)

    public var description: String {
        switch self {
        case .address(let text): "\(text) is not an address; write host:port, unix:/path, or ws://host:port/path"
        case .carrier(let scheme, let text):
            "\(text) begins with \(scheme)://; write one of "
                + GatewayPort.Carrier.allCases.map { "\($0.rawValue)://" }.joined(separator: ", ") + ", or none for TCP"
        case .option(let option, let text): "\(text) has the option \(option); the only one is dialect=v1 or dialect=v2"
        case .dialect(let text): "there is no dialect \(text); write v1 or v2"
        }
    }
}
