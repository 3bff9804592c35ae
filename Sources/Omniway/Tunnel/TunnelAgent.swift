import Glibc
import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayTunnel

/// A tunnel client with its loop and the file of its identity, as one program runs it.
public actor TunnelAgent {
    public struct Configuration: Sendable {
        public var nodes: [TunnelNodeAddress]
        public var file: TunnelIdentityFile
        public var trust = TunnelTrust.firstUse()
        public var client = TunnelClientSettings()

        public init(nodes: [TunnelNodeAddress], file: TunnelIdentityFile) { (self.nodes, self.file) = (nodes, file) }
    }

    public enum Event: Sendable {
        case client(TunnelClientEvent)
        /// Who it is, is written down.
        case kept(TunnelIdentity)
        case notKept(TunnelIdentityFileError)
        /// A node was met for the first time.
        case learned(TLSFingerprint, of: TunnelNodeAddress)
    }

    public nonisolated let loop = EventLoop()
    public nonisolated let client: LoopBound<TunnelClient>

    /// Begins to connect. `tell` hears what happens, on any thread.
    public init(_ configuration: Configuration, tell: @escaping @Sendable (Event) -> Void) async throws {
        let file = configuration.file
        let identity = try file.load()
        var dialers: [any Dialer] = []
        for node in configuration.nodes {
            let trust = try configuration.trust.trust(in: node, keptIn: file) { tell(.learned($0, of: node)) }
            dialers.append(try node.dialer(trust: trust, serverName: configuration.trust.serverName))
        }
        let nodes = configuration.nodes.map(\.description)
        client = await TunnelClient.start(
            on: loop, nodes: dialers, identity: identity, settings: configuration.client
        ) { event, client in
            tell(.client(event))
            switch event {
            case .registered, .loggedIn: Self.keep(client, in: file, nodes, tell)
            default: break
            }
        }
    }

    /// The node may have said another AuthCode than the file has.
    private static func keep(
        _ client: TunnelClient, in file: TunnelIdentityFile, _ nodes: [String],
        _ tell: @escaping @Sendable (Event) -> Void
    ) {
        guard let identity = client.identity else { return }
        client.loop.offLoop { () -> Event in
            do throws(TunnelIdentityFileError) {
                if try file.load() != identity { try file.save(identity) }
                if try file.nodes() != nodes { try file.save(nodes: nodes) }
                return .kept(identity)
            } catch { return .notKept(error) }
        } _: { event in
            tell(event ?? .notKept(.unwritable(file.path, SystemError(number: EAGAIN))))
        }
    }

    public func stop() async {
        await client.run { _, client in client.close() }
        await loop.shutdown()
    }
}
