public import OmniwayTelemetry
package import OmniwayTransport

/// Where a Redis is.
public struct RedisSettings: Sendable {
    /// `host:port`.
    public var address: String
    public var password: Secret?
    /// In front of all keys, with a colon behind it; nothing when it is empty.
    public var namespace: String

    public init(_ address: String = "localhost:6379", password: Secret? = nil, namespace: String = "") {
        (self.address, self.password, self.namespace) = (address, password, namespace)
    }

    /// Nil for an address that is none.
    package var dialer: (any Dialer)? {
        guard let host = HostPort(address) else { return nil }
        return SocketAddress(address).map { StreamDialer($0) } ?? StreamDialer(host)
    }
}

/// Why Redis has not done what it was asked.
package enum RedisError: Error, Equatable, CustomStringConvertible {
    /// Nothing was sent.
    case away(String)
    /// It may have been done.
    case lost(String)
    case refused(String)
    case unexpected(String)
    case overloaded

    package var description: String {
        switch self {
        case .away(let words): "Redis cannot be reached: \(words); is it running at that address?"
        case .lost(let words): "the connection to Redis ended (\(words)); the command may have been carried out"
        case .refused(let words): "Redis refuses: \(words)"
        case .unexpected(let words): "Redis gave another answer than \(words)"
        case .overloaded: "too many commands wait for Redis; try again later"
        }
    }
}
