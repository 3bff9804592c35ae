public import OmniwayTransport

/// Where a rule listens.
public enum TunnelAddress: Sendable, Equatable {
    /// A port of the listening client: `tcp://127.0.0.1:2222`.
    case tcp(HostPort)
    /// A port of a node, `node+tcp://:8022`: of the one where the owner is, or of one that is named in front of the
    /// colon. Port 0 asks for any.
    case port(node: String, UInt16)
    /// A name that visitors ask a node for.
    case domain(String)

    /// Nil when it is none of them.
    public init?(_ text: String) {
        if let rest = text.after("node+tcp://") {
            guard let at = HostPort(rest), at.host.isEmpty || at.host.isTunnelID else { return nil }
            self = .port(node: at.host, at.port)
        } else if let rest = text.after("tcp://") {
            guard let at = HostPort(rest), at.host.utf8.count <= 255 else { return nil }
            self = .tcp(at)
        } else {
            let name = text.lowercased()
            guard name.isDomain else { return nil }
            self = .domain(name)
        }
    }

    /// The only way in which it is written in a key.
    public var text: String {
        switch self {
        case .tcp(let at): "tcp://\(at)"
        case .port(let node, let port): "node+tcp://\(node):\(port)"
        case .domain(let name): name
        }
    }
}

/// What a rule leads to: `tcp://10.0.0.5:22`, or `http://` and `https://` for a domain.
public struct TargetAddress: Sendable, Equatable, CustomStringConvertible {
    public enum Scheme: String, Sendable { case tcp, http, https }
    public let scheme: Scheme
    public let at: HostPort

    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":"), let scheme = Scheme(rawValue: String(text[..<colon])),
            let rest = String(text[colon...]).after("://")
        else { return nil }
        let usual: UInt16? = scheme == .http ? 80 : scheme == .https ? 443 : nil
        if let at = HostPort(rest), !at.host.isEmpty, at.port > 0 {
            (self.scheme, self.at) = (scheme, at)
        } else if let usual, rest.isDomain || SocketAddress(host: rest, port: usual) != nil {
            (self.scheme, at) = (scheme, HostPort(host: rest, port: usual))
        } else {
            return nil
        }
        guard at.host.utf8.count <= 255 else { return nil }
    }

    public var description: String { "\(scheme.rawValue)://\(at)" }
}

extension String {
    func after(_ prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }

    /// A UUID as nodes give them. What goes into keys is nothing else.
    var isTunnelID: Bool {
        utf8.count == 36
            && utf8.enumerated().allSatisfy { index, byte in
                let isDash = index == 8 || index == 13 || index == 18 || index == 23
                let isDigit = (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
                return isDash ? byte == 0x2d : isDigit
            }
    }

    var isTunnelNumber: Bool { utf8.count == 8 && utf8.allSatisfy { (0x30...0x39).contains($0) } }

    /// Letters, digits and dashes, with dots between: nothing that could be part of another key.
    var isDomain: Bool {
        (1...253).contains(utf8.count)
            && split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy {
                        (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                    }
            }
    }
}
