import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// What a node may do, and how patient it is.
public struct TunnelNodeSettings: Sendable {
    /// A UUID that stays the same when the node is started again; nil makes a new one.
    public var id: String?
    public var carrier = CarrierSettings()

    /// How often clients show that they are there, and after how much silence they are not.
    public var heartbeat = Duration.seconds(10)
    public var silence = Duration.seconds(30)
    /// How long a connection may stay without a login.
    public var loginPatience = Duration.seconds(10)
    /// After how much silence the registry forgets this node, and who is on it.
    public var lease = Duration.seconds(10)

    /// Whether strangers may become clients, and the word that they must know if it is not empty.
    public var registers = true
    public var registerKey = ""
    /// New clients from one address.
    public var registrations = RateLimit(5, in: .seconds(60))
    /// Wrong AuthCodes for one tunnel, and from one client.
    public var wrongCodes = RateLimit(5, in: .seconds(15 * 60))
    /// Rules of one client.
    public var rules = 256

    /// Ports of this node that rules may have; none by default.
    public var allowPorts: [ClosedRange<UInt16>] = []
    /// Where those are opened.
    public var publicHost = SocketAddress.ipv4(0, port: 0)
    public var listen: @Sendable (SocketAddress) -> any Acceptor = { StreamAcceptor($0) }
    public var listenDatagrams: @Sendable (SocketAddress) -> any Acceptor = { DatagramAcceptor($0, limits: .tunnel) }

    /// Visitors who wait for their targets, and for how long.
    public var waiting = 4096
    public var transferPatience = Duration.seconds(10)

    /// Where other nodes reach this one, and the secret that all nodes have. Without both it is a node by itself.
    public var advertise = ""
    public var clusterKey: [UInt8] = []
    /// How other nodes are reached; with TLS unless the network between them is trusted.
    public var dialNode: @Sendable (TunnelNodePlace) -> any Dialer = { StreamDialer($0.at) }
    /// This node's certificate, for the others to know it by.
    public var certificate: TLSFingerprint?

    /// A name below which rules get names that they do not choose, such as `c123456.example.org`; none when empty.
    public var domain = ""
    /// What the rules of one client may move in a month at all nodes, in bytes; nil for any number.
    public var monthlyBytes: Int?
    /// How often what was moved is written down.
    public var ledgerInterval = Duration.seconds(60)
    /// The month that it is, such as `202611`.
    public var month: @Sendable () -> String = { String(Timestamp.now().text.prefix(7).filter { $0 != "-" }) }

    /// Who may say for whom a request to a domain comes, in X-Forwarded-For.
    public var trustedProxies: [AddressRange] = []
    /// How long a target may be silent within an answer to a request.
    public var webPatience = Duration.seconds(300)

    public init() {}

    /// Whether a text can be a node's id: a UUID in lower case.
    public static func isID(_ text: String) -> Bool { text.isTunnelID }

    public static func newID() -> String {
        var chances = SystemRandomNumberGenerator()
        return UUIDText.random(using: &chances)
    }
}

/// Where another node is, as the registry says.
public struct TunnelNodePlace: Sendable, CustomStringConvertible {
    public let at: HostPort
    /// What it must show; nil when it has no certificate.
    public let certificate: TLSFingerprint?
    public var description: String { at.description }
}

/// So many times in so long.
public struct RateLimit: Sendable {
    public var count: Int
    public var window: Duration
    public init(_ count: Int, in window: Duration) {
        precondition(count > 0 && window > .zero, "a rate is above zero")
        (self.count, self.window) = (count, window)
    }
}

/// Who has done something how often. It forgets what is over; when it is full of what is not, strangers are refused.
struct RateTable {
    private struct Count {
        var taken = 0
        let until: Moment
    }
    private let limit: RateLimit
    private var counts: [String: Count] = [:]
    private static let most = 65_536

    init(_ limit: RateLimit) { self.limit = limit }

    /// Counts one, if there is one left.
    mutating func take(_ name: String, at now: Moment) -> Bool {
        if let count = counts[name], count.until > now {
            guard count.taken < limit.count else { return false }
            counts[name]?.taken += 1
            return true
        }
        if counts.count >= Self.most { counts = counts.filter { $0.value.until > now } }
        guard counts.count < Self.most else { return false }
        counts[name] = Count(taken: 1, until: now + limit.window)
        return true
    }

    /// It did not count after all.
    mutating func giveBack(_ name: String) {
        guard let count = counts[name], count.taken > 0 else { return }
        counts[name]?.taken -= 1
    }
}
