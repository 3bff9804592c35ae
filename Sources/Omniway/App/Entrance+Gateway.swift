public import OmniwayGateway
import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

extension Acceptor where Self == Entrance {
    /// The connections that clients dial at a gateway: whoever takes them needs no port of its own.
    ///
    /// ```swift
    /// app.listen(.gateway("gateway.internal:10020", serverID: 7, key: "open sesame"))
    /// ```
    ///
    /// It opens when the gateway has let it in. One that does not within `authTimeout` is only logged, and dialled
    /// again, as one that is lost later is. When it is stopped it stays for the connections that are there, and ends
    /// with the last.
    public static func gateway(_ address: String, serverID: EndpointID, key: String) -> Entrance {
        gateway(address, .server(serverID, key: key))
    }

    public static func gateway(_ address: String, _ configuration: EndpointConfiguration) -> Entrance {
        Entrance(on: { home throws(ListenError) in
            let dialer: StreamDialer
            if let address = SocketAddress(address) {
                dialer = StreamDialer(address)
            } else if let host = HostPort(address) {
                dialer = StreamDialer(host)
            } else {
                throw .misconfigured("\(address) is no address of a gateway; write host:port or unix:/path")
            }
            return try await GatewayEntrance(configuration, over: dialer, on: home)
        })
    }

    /// Over another transport: TLS, snet, a pipe.
    public static func gateway(over dialer: some Dialer, _ configuration: EndpointConfiguration) -> Entrance {
        Entrance(on: { home throws(ListenError) in try await GatewayEntrance(configuration, over: dialer, on: home) })
    }
}

/// An endpoint that ends with its use.
private struct GatewayEntrance: Acceptor {
    private let endpoint: GatewayEndpoint

    init(_ configuration: EndpointConfiguration, over dialer: some Dialer, on home: EventLoop) async throws(ListenError)
    {
        guard configuration.serverID != nil else {
            throw .misconfigured("clients dial a server at a gateway; give the configuration a serverID")
        }
        do throws(EndpointError) {
            endpoint = try await GatewayEndpoint(configuration, over: dialer, on: home)
        } catch { throw .misconfigured("\(error)") }
    }

    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        let listening = try await endpoint.open(into: intakes)
        do throws(EndpointError) {
            try await endpoint.ready(within: endpoint.configuration.authTimeout)
        } catch { Log.shared.warning("gateway not there yet", ["reason": "\(error)"]) }
        let endpoint = endpoint
        return Listening(address: listening.address) {
            await listening.stop()
            endpoint.retire()
        }
    }
}
