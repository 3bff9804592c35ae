import Glibc

/// Where a socket is, or its peer. Text forms: `10.0.0.1:80`, `[::1]:80`, `:80` (every address), `unix:/run/a.sock`,
/// `fd:web`.
public enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// Not a socket, or one without a name.
    case none
    /// The address in the host's byte order.
    case ipv4(UInt32, port: UInt16)
    case ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0)
    /// A path; an abstract name starts with `@`.
    case unix(String)
    /// To listen: a socket that was passed to the process under this name.
    case passed(String)

    public static func loopback(port: UInt16 = 0) -> SocketAddress { .ipv4(0x7f00_0001, port: port) }

    /// An address in digits; nil for anything that would need a name to be looked up.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < Self.maxPath else { return nil }
            self = .unix(path)
            return
        }
        if text.hasPrefix("fd:") {
            let name = String(text.dropFirst(3))
            guard !name.isEmpty, name.utf8.count < 256 else { return nil }
            self = .passed(name)
            return
        }
        guard let (host, port) = HostPort.split(text) else { return nil }
        self.init(host: host, port: port)
    }

    /// A host in digits; an empty one means every address.
    public init?(host: String, port: UInt16) {
        if host.isEmpty {
            self = .ipv6(high: 0, low: 0, port: port)
            return
        }
        var v4 = in_addr()
        if unsafe inet_pton(AF_INET, host, &v4) == 1 {
            self = .ipv4(UInt32(bigEndian: v4.s_addr), port: port)
            return
        }
        let parts = host.split(separator: "%", maxSplits: 1)
        var v6 = in6_addr()
        guard let digits = parts.first, unsafe inet_pton(AF_INET6, String(digits), &v6) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            scope = unsafe UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
            if scope == 0 { return nil }
        }
        self = Self.ipv6(v6, port: port, scope: scope)
    }

    /// The port; zero where there is none.
    public var port: UInt16 {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .none, .unix, .passed: 0
        }
    }

    /// The address without its port. IPv4 within IPv6 is IPv4.
    public var host: SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: 0)
        case .ipv6(0, let low, _, _) where low >> 32 == 0xffff: .ipv4(UInt32(truncatingIfNeeded: low), port: 0)
        case .ipv6(let high, let low, _, let scope): .ipv6(high: high, low: low, port: 0, scope: scope)
        case .unix, .passed, .none: .none
        }
    }

    /// Only this machine can reach it.
    public var isLoopback: Bool {
        if case .unix = self { return true }
        switch host {
        case .ipv4(let address, _): return address >> 24 == 127
        case .ipv6(let high, let low, _, _): return high == 0 && low == 1
        case .unix, .passed, .none: return false
        }
    }

    /// IPv6, and not IPv4 within it.
    public var isIPv6: Bool { if case .ipv6 = host { true } else { false } }

    /// What limits per address count as one. Whoever has an IPv6 address has its whole /64, but for addresses that are
    /// good only on one link.
    var counted: SocketAddress {
        guard case .ipv6(let high, _, _, _) = host, high >> 54 != 0xfe80 >> 6 else { return host }
        return .ipv6(high: high, low: 0, port: 0)
    }

    public func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high: high, low: low, port: port, scope: scope)
        case .unix, .passed, .none: self
        }
    }

    public var description: String {
        switch self {
        case .none: return "nowhere"
        case .unix(let path): return "unix:\(path)"
        case .passed(let name): return "fd:\(name)"
        case .ipv4(let address, let port):
            return (0..<4).map { "\(address >> (24 - 8 * $0) & 255)" }.joined(separator: ".") + ":\(port)"
        case .ipv6(_, _, let port, let scope):
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            let digits = unsafe withSystemAddress { address, _ in
                // Safe because an address of this case is a sockaddr_in6, and the text has the length that is asked
                // for.
                unsafe address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                    unsafe withUnsafePointer(to: &address.pointee.sin6_addr) { from in
                        unsafe inet_ntop(AF_INET6, from, &text, socklen_t(text.count)).map {
                            unsafe String(cString: $0)
                        }
                    }
                }
            }
            return "[\(digits ?? "?")\(scope == 0 ? "" : "%\(scope)")]:\(port)"
        }
    }

    // MARK: The system's form

    static let maxPath = 108

    var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix, .passed, .none: AF_UNIX
        }
    }

    private static func ipv6(_ address: in6_addr, port: UInt16, scope: UInt32) -> SocketAddress {
        let halves = unsafe unsafeBitCast(address, to: (UInt64, UInt64).self)
        return .ipv6(
            high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1), port: port, scope: scope)
    }

    /// Calls `body` with this address as the system wants it.
    func withSystemAddress<R>(_ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> R) -> R {
        var storage = sockaddr_storage()
        return unsafe withUnsafeMutablePointer(to: &storage) { storage in
            let raw = UnsafeMutableRawPointer(storage)
            var length = 0
            switch self {
            case .ipv4(let address, let port):
                var v4 = sockaddr_in()
                v4.sin_family = sa_family_t(AF_INET)
                v4.sin_port = port.bigEndian
                v4.sin_addr.s_addr = address.bigEndian
                unsafe raw.storeBytes(of: v4, as: sockaddr_in.self)
                length = MemoryLayout<sockaddr_in>.size
            case .ipv6(let high, let low, let port, let scope):
                var v6 = sockaddr_in6()
                v6.sin6_family = sa_family_t(AF_INET6)
                v6.sin6_port = port.bigEndian
                v6.sin6_scope_id = scope
                v6.sin6_addr = unsafe unsafeBitCast((high.bigEndian, low.bigEndian), to: in6_addr.self)
                unsafe raw.storeBytes(of: v6, as: sockaddr_in6.self)
                length = MemoryLayout<sockaddr_in6>.size
            case .unix, .passed, .none:
                unsafe raw.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                length = 2
                guard case .unix(let path) = self else { break }
                // An abstract name has a zero in the place of its @; a path ends with a zero. One that does not fit
                // goes to the system without a length, which it refuses.
                let name = path.hasPrefix("@") ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8) + [0]
                if name.count > Self.maxPath { break }
                for (index, byte) in name.enumerated() {
                    unsafe raw.storeBytes(of: byte, toByteOffset: 2 + index, as: UInt8.self)
                    length = 3 + index
                }
            }
            return unsafe body(raw.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
        }
    }

    /// What a call like `accept` or `getsockname` wrote.
    init(_ storage: sockaddr_storage, length: socklen_t) {
        self = unsafe withUnsafeBytes(of: storage) { bytes -> SocketAddress in
            guard length >= 2 else { return .none }
            switch Int32(storage.ss_family) {
            case AF_INET:
                let v4 = unsafe bytes.load(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: v4.sin_addr.s_addr), port: UInt16(bigEndian: v4.sin_port))
            case AF_INET6:
                let v6 = unsafe bytes.load(as: sockaddr_in6.self)
                let address = Self.ipv6(v6.sin6_addr, port: UInt16(bigEndian: v6.sin6_port), scope: v6.sin6_scope_id)
                if case .ipv4(let v4, _) = address.host { return .ipv4(v4, port: address.port) }
                return address
            case AF_UNIX where length > 2:
                let name = unsafe bytes[2..<min(Int(length), bytes.count)]
                let isAbstract = unsafe name.first == 0
                let text = unsafe isAbstract ? name.dropFirst() : name.prefix { $0 != 0 }
                // A name that is no text is nobody whom one could write to.
                return String(validating: unsafe Array(text), as: UTF8.self).map { .unix((isAbstract ? "@" : "") + $0) }
                    ?? .none
            default: return .none
            }
        }
    }

    /// Asks the system for an address, with the usual pair of storage and length.
    static func read(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32)
        -> SocketAddress?
    {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, &length) }
        }
        return result < 0 ? nil : SocketAddress(storage, length: length)
    }
}

/// `host:port` taken apart; IPv6 stands in brackets.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: UInt16

    public init(host: String, port: UInt16) { (self.host, self.port) = (host, port) }
    public init?(_ text: String) {
        guard let (host, port) = Self.split(text) else { return nil }
        (self.host, self.port) = (host, port)
    }
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    static func split(_ text: String) -> (host: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return (String(host), port)
    }
}
