public import OmniwayGateway
public import OmniwayMesh
public import OmniwayTransport
public import OmniwayWire

/// A gateway as the way between nodes of a mesh that nobody can reach: each serves there under a number and dials the
/// numbers of others, and none of them needs a port. What goes through is sealed from node to node.
///
/// ```swift
/// let way = try await GatewayWay(through: StreamDialer(gateway), on: loop)
/// let luda = await MeshNode("luda", on: loop, way.settings(NodeSettings()))
/// try await luda.serve(.gateway("gateway:10020", serverID: 7, key: key), announcing: GatewayWay.address(of: 7))
/// try await luda.join(GatewayWay.address(of: 8))
/// ```
public struct GatewayWay: Sendable {
    private static let scheme = "gateway:"
    private let caller: GatewayEndpoint

    /// Dials as a client of the gateway, on the loop of the node that uses it.
    public init(
        through clients: some Dialer, _ configuration: EndpointConfiguration = .client, on home: EventLoop
    ) async throws(EndpointError) {
        caller = try await GatewayEndpoint(configuration, over: clients, on: home)
    }

    /// What the node that serves under a number tells others: `gateway:7`.
    public static func address(of number: EndpointID) -> String { "\(scheme)\(number.rawValue)" }

    /// Nil for an address of another kind.
    public func dialer(to address: String) -> (any Dialer)? {
        guard address.hasPrefix(Self.scheme), let number = UInt32(address.dropFirst(Self.scheme.count)) else {
            return nil
        }
        return MessageJoining().over(caller.dialer(to: EndpointID(rawValue: number)))
    }

    /// The same settings, by which addresses of this kind are dialled here and all others as before.
    public func settings(_ settings: NodeSettings) -> NodeSettings {
        let (way, usual) = (self, settings.dialer)
        var settings = settings
        settings.dialer = { way.dialer(to: $0) ?? usual($0) }
        return settings
    }

    /// Ends the links that were dialled through it.
    public func close() { caller.close() }
}
