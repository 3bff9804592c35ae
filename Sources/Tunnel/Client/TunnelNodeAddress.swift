public import OmniwayTransport
import OmniwayWire

/// Where a node is and how it is spoken to, as a text says it: `node.example`, `10.0.0.1:18888`, or a URL whose scheme
/// is the carrier: `tls://`, which is meant without one, `tcp://`, `wss://` and `ws://`.
public struct TunnelNodeAddress: Sendable, Equatable, CustomStringConvertible {
    /// WebSocket goes where networks let nothing through but the web.
    public enum Carrier: String, Sendable, CaseIterable { case tls, tcp, wss, ws }
    public let carrier: Carrier
    public let at: HostPort
    /// Of the WebSocket that a node takes for a connection.
    public let path: String

    /// Where nodes listen unless they are told otherwise.
    public static let usualPort: UInt16 = 18888
    /// Where they take WebSockets.
    public static let path = "/_zhangyu/transport"

    public init(_ text: String) throws(TunnelNodeAddressError) {
        var rest = text[...]
        var carrier = Carrier.tls
        if let mark = text.range(of: "://") {
            let scheme = String(text[..<mark.lowerBound])
            guard let known = Carrier(rawValue: scheme) else { throw .carrier(scheme, in: text) }
            (carrier, rest) = (known, text[mark.upperBound...])
        }
        let isWeb = carrier == .ws || carrier == .wss
        var path = Self.path
        if isWeb, let slash = rest.firstIndex(of: "/") {
            path = String(rest[slash...])
            rest = rest[..<slash]
        }
        self.carrier = carrier
        self.path = path
        let usual: UInt16 = carrier == .ws ? 80 : carrier == .wss ? 443 : Self.usualPort
        guard let at = Self.place(String(rest), usual) else { throw .address(text) }
        self.at = at
    }

    private static func place(_ text: String, _ usual: UInt16) -> HostPort? {
        if let at = HostPort(text) { return at.host.isEmpty || at.port == 0 ? nil : at }
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        guard bare.lowercased().isDomain || SocketAddress(host: bare, port: usual) != nil, !bare.isEmpty else {
            return nil
        }
        return HostPort(host: bare, port: usual)
    }

    public var isSecret: Bool { carrier == .tls || carrier == .wss }
    /// What its certificate is kept under: that of a node is the same over WebSocket.
    public var name: String { "\(at)" }
    public var description: String {
        let isWeb = carrier == .ws || carrier == .wss
        return "\(carrier.rawValue)://\(at)\(isWeb ? path : "")"
    }

    /// How to reach it. `trust` says which certificates are good, and counts for carriers with TLS; `serverName` is
    /// what those must name, if it is not the host.
    public func dialer(trust: TLSTrust, serverName: String? = nil) throws(TLSError) -> any Dialer {
        let stream = try plainDialer(trust, serverName)
        guard carrier == .ws || carrier == .wss else { return stream }
        return MessageJoining().over(AnyDialer(webSocket.over(AnyDialer(stream))))
    }

    /// The same for its HTTP interface.
    func plainDialer(_ trust: TLSTrust, _ serverName: String? = nil) throws(TLSError) -> any Dialer {
        let stream = StreamDialer(at, options: .carrier)
        return isSecret ? try TLSClient(host: serverName ?? at.host, trust: trust).over(stream) : stream
    }

    private var webSocket: WebSocket { WebSocket(path: path, host: "\(at)", maxMessageSize: TunnelDoor.largestMessage) }
}

public enum TunnelNodeAddressError: Error, Equatable, CustomStringConvertible {
    case address(String)
    case carrier(String, in: String)

    public var description: String {
        switch self {
        case .address(let text): "\(text) is no node; write a host, host:port, or wss://host/path"
        case .carrier(let scheme, let text):
            "\(text) begins with \(scheme)://; write one of "
                + TunnelNodeAddress.Carrier.allCases.map { "\($0.rawValue)://" }.joined(separator: ", ")
                + ", or none for tls://"
        }
    }
}
