public import OmniwayTransport

/// Where a rule listens.
public enum TunnelAddress: Sendable, Equatable {
    /// What visitors speak at a port.
    public enum Kind: String, Sendable, CaseIterable {
        case tcp, udp
        /// The visitor says what it wants to reach.
        case socks5

        var keepsMessages: Bool { self == .udp }
    }

    /// A port of the listening client: `tcp://127.0.0.1:2222`.
    case client(Kind, HostPort)
    /// A port of a node, `node+tcp://:8022`: of the one where the owner is, or of one that is named in front of the
    /// colon. Port 0 asks for any.
    case port(Kind, node: String, UInt16)
    /// A socket in the file system of the listening client: `unix:///run/a.sock`.
    case unix(String)
    /// A name that visitors ask a node for.
    case domain(String)

    /// Nil when it is none of them.
    public init?(_ text: String) {
        if let path = text.after("unix://") {
            guard path.isSocketPath else { return nil }
            self = .unix(path)
            return
        }
        for kind in Kind.allCases {
            if let rest = text.after("node+\(kind.rawValue)://") {
                guard let at = HostPort(rest), at.host.isEmpty || at.host.isTunnelID else { return nil }
                self = .port(kind, node: at.host, at.port)
                return
            }
            if let rest = text.after("\(kind.rawValue)://") {
                guard let at = HostPort(rest), at.host.utf8.count <= 255 else { return nil }
                self = .client(kind, at)
                return
            }
        }
        let name = text.lowercased()
        guard name.isDomain else { return nil }
        self = .domain(name)
    }

    /// The only way in which it is written in a key.
    public var text: String {
        switch self {
        case .client(let kind, let at): "\(kind.rawValue)://\(at)"
        case .port(let kind, let node, let port): "node+\(kind.rawValue)://\(node):\(port)"
        case .unix(let path): "unix://\(path)"
        case .domain(let name): name
        }
    }

    /// The client of the owner listens, and no node.
    var isAtClient: Bool {
        switch self {
        case .client, .unix: true
        case .port, .domain: false
        }
    }

    /// Visitors send datagrams.
    var keepsMessages: Bool {
        switch self {
        case .client(let kind, _), .port(let kind, _, _): kind.keepsMessages
        case .unix, .domain: false
        }
    }

    /// Whether that is something for its visitors.
    func leads(to target: TargetAddress) -> Bool {
        switch (self, target.scheme) {
        case (.client(.udp, _), .udp), (.port(.udp, _, _), .udp): true
        case (.client(.socks5, _), .asked), (.port(.socks5, _, _), .asked): true
        case (.client(.tcp, _), .tcp), (.port(.tcp, _, _), .tcp), (.unix, .tcp): true
        case (.client(.tcp, _), .unix), (.port(.tcp, _, _), .unix), (.unix, .unix): true
        case (.domain, .http), (.domain, .https), (.domain, .unix), (.domain, .file): true
        case (.client(.tcp, _), .file), (.port(.tcp, _, _), .file), (.unix, .file): true
        case (.client, _), (.port, _), (.unix, _), (.domain, _): false
        }
    }

    /// Visitors say what they want to reach.
    var asks: Bool {
        switch self {
        case .client(let kind, _), .port(let kind, _, _): kind == .socks5
        case .unix, .domain: false
        }
    }
}

/// What a rule leads to: `tcp://10.0.0.5:22`, `udp://10.0.0.5:53`, `unix:///run/a.sock`, `file:///srv/www`, and for
/// a domain `http://` or `https://`. Empty where visitors say it themselves.
public struct TargetAddress: Sendable, Equatable, CustomStringConvertible {
    public enum Scheme: String, Sendable { case tcp, udp, http, https, unix, file, asked }
    public let scheme: Scheme
    public let at: HostPort
    /// Of a socket, or of a folder.
    public let path: String

    public init?(_ text: String) {
        if text.isEmpty {
            self.init(.asked, at: HostPort(host: "", port: 0))
            return
        }
        guard let colon = text.firstIndex(of: ":"), let scheme = Scheme(rawValue: String(text[..<colon])),
            let rest = String(text[colon...]).after("://")
        else { return nil }
        switch scheme {
        case .unix, .file:
            guard scheme == .file ? rest.isFolderPath : rest.isSocketPath else { return nil }
            self.init(scheme, at: HostPort(host: "", port: 0), path: rest)
        case .asked: return nil
        case .tcp, .udp, .http, .https:
            let usual: UInt16? = scheme == .http ? 80 : scheme == .https ? 443 : nil
            if let at = HostPort(rest), !at.host.isEmpty, at.port > 0 {
                self.init(scheme, at: at)
            } else if let usual, rest.isDomain || SocketAddress(host: rest, port: usual) != nil {
                self.init(scheme, at: HostPort(host: rest, port: usual))
            } else {
                return nil
            }
            guard at.host.utf8.count <= 255 else { return nil }
        }
    }

    init(_ scheme: Scheme, at: HostPort, path: String = "") { (self.scheme, self.at, self.path) = (scheme, at, path) }

    public var description: String {
        switch scheme {
        case .asked: ""
        case .unix, .file: "\(scheme.rawValue)://\(path)"
        case .tcp, .udp, .http, .https: "\(scheme.rawValue)://\(at)"
        }
    }

    var keepsMessages: Bool { scheme == .udp }
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

    /// From the root, and nothing that could be somewhere else than it looks.
    var isFolderPath: Bool {
        hasPrefix("/") && utf8.count <= 1024 && utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
            && !split(separator: "/").contains { $0 == ".." || $0 == "." }
    }

    /// As long as the system takes.
    var isSocketPath: Bool { isFolderPath && utf8.count < 108 && !hasSuffix("/") }

    /// The same name, or one below it.
    func isBelow(_ domain: String) -> Bool { !domain.isEmpty && (self == domain || hasSuffix("." + domain)) }

    /// A name or address, with a port or without one.
    var isHostField: Bool {
        if lowercased().isDomain || HostPort(self).map({ $0.host.lowercased().isDomain }) ?? false { return true }
        return SocketAddress(self) != nil || SocketAddress(host: self, port: 0) != nil
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
