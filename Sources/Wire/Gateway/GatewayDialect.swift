/// Which generation of the gateway protocol a peer speaks.
public enum GatewayDialect: String, Sendable, CaseIterable {
    /// fastway until 2016: a dialler asks for an id first, and the gateway sends pings.
    case v1
    /// fastway since 2017, uniway: the gateway gives the id with its answer, and peers send pings.
    case v2

    package var frameFormat: FrameFormat { self == .v1 ? .gatewayV1 : .gatewayV2 }
}

/// The number of a virtual connection: the same for both of its ends, never zero.
public struct ConnectionID: RawRepresentable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
    public var description: String { String(rawValue) }
}

/// The number of a client or of a server at a gateway. Servers choose theirs, clients are counted; zero is a valid one.
public struct EndpointID: RawRepresentable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
    public var description: String { String(rawValue) }
}

extension ConnectionID: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: UInt32) { rawValue = value }
}

extension EndpointID: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: UInt32) { rawValue = value }
}
