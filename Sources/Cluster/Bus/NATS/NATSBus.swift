public import OmniwayTransport

/// A bus through NATS servers. Each loop has a connection of its own.
public final class NATSBus: Bus {
    /// As they were given.
    public let settings: NATSSettings
    private let tls: [String: TLSClient]
    private let ports = BusPorts()

    /// Reads the files of TLS and checks the settings; connections are made when ports are asked for.
    public init(_ settings: NATSSettings) throws(BusError) {
        try settings.check()
        var clients: [String: TLSClient] = [:]
        for server in settings.servers where server.usesTLS || settings.tls != nil {
            let tls = settings.tls ?? NATSTLS()
            do throws(TLSError) {
                clients[server.tlsHost] = try TLSClient(host: server.tlsHost, trust: tls.trust, identity: tls.identity)
            } catch { throw .configuration("TLS of the bus: \(error)") }
        }
        (self.settings, self.tls) = (settings, clients)
    }

    public func port(on loop: Loop) -> BusPort {
        ports.port(on: loop) {
            BusPort(
                on: loop, NATSDriver(settings, tls: tls, on: loop), limits: settings.limits,
                inboxPrefix: settings.inboxPrefix
            ) { [ports, unowned loop] in ports.forget(loop) }
        }
    }
}
