public import OmniwayTransport
import OmniwayWire

/// One way through the tunnel: who listens where, and what that leads to.
public struct TunnelRule: Sendable, Equatable {
    /// Who has made it, and may take it away.
    public var owner: String
    /// The client that listens; empty when a node does.
    public var listener: String
    /// The client behind which the target is, and its number.
    public var target: String
    public var targetTunnel: String
    public var listenAddress: TunnelAddress
    public var targetAddress: TargetAddress
    public var limits: TunnelRuleLimits
    public var options: TunnelRuleOptions
    /// Says with which AuthCode it was made, without saying which that was.
    var codeMark: String
    var created: String

    /// The rule's name: an owner has one for each address.
    public var name: String { "\(owner)=>\(listenAddress.text)" }
}

/// What a rule lets through.
public struct TunnelRuleLimits: Sendable, Equatable {
    /// Connections at once.
    public var connections = 1024
    /// Addresses that visitors may come from; empty for any.
    public var sources: [String] = []
    /// Bytes in a second at one node, both directions together; nil for any number.
    public var bandwidth: Int?
    /// Bytes in a month at all nodes, both directions together; nil for any number.
    public var monthlyBytes: Int?
    public init() {}

    /// Whether a visitor from there may come in. One whose address is not known may not, where there is a list.
    public func admits(_ visitor: SocketAddress) -> Bool {
        sources.isEmpty || sources.contains { AddressRange($0)?.contains(visitor) ?? false }
    }

    static let most = 64
}

/// What a client asks for when it wants a rule. The AuthCode is not needed for a target that is the client itself.
public struct TunnelRuleRequest: Sendable, Equatable {
    public var listenAddress: String
    public var targetTunnel: String
    public var targetAuthCode: String
    public var targetAddress: String
    public var limits = TunnelRuleLimits()
    public var options = TunnelRuleOptions()

    public init(listen: String, target: String, of tunnel: String, authCode: String = "") {
        (listenAddress, targetAddress, targetTunnel, targetAuthCode) = (listen, target, tunnel, authCode)
    }
}

/// Why something was refused, with the code that the answer has.
public struct TunnelRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    public let code: InvokeCode
    public let words: String
    public init(_ code: InvokeCode, _ words: String) { (self.code, self.words) = (code, words) }
    public var description: String { "\(words) (code \(code))" }
}
