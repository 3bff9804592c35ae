import Glibc
import Omniway
import OmniwayArguments

/// `omniway gateway`: a gateway, until a signal ends it.
enum RunGateway {
    static let command = Command(
        "gateway", summary: "Joins clients and servers by virtual connections (fastway, uniway).",
        notes: """
            Every flag also has the name that the original gateways give it, such as -ClientAddr.
            SIGTERM or Ctrl-C accepts no more, waits for virtual connections to end, closes the rest and ends it;
            a second one ends it at once.
            """,
        flags: GatewayFlags.all)

    static func run(_ call: Invocation) -> ExitCode {
        // Before any thread starts: all of them inherit the mask, and signals come to this one only.
        let signals = Signals()
        guard LogFlags.configure(call) else { return .configuration }
        let configuration: GatewayNode.Configuration
        do throws(GatewayFlagError) {
            configuration = try GatewayNode.Configuration(call)
        } catch {
            Main.complain("omniway gateway: \(error)")
            return .usage
        }
        let limit = call[GatewayFlags.drain]
        let starting = Task.detached { await start(configuration) }
        var stopping = false
        while true {
            let signal = signals.wait()
            if signal == SIGHUP {
                Up.reopenLog()
            } else if stopping {
                return .runtime
            } else {
                stopping = true
                Log.shared.notice("stopping", ["signal": signal == SIGINT ? "SIGINT" : "SIGTERM"])
                Task.detached {
                    let cutOff = await starting.value.stop(within: limit)
                    if cutOff > 0 { Log.shared.warning("virtual connections cut off", ["count": "\(cutOff)"]) }
                    Up.end(.success)
                }
            }
        }
    }

    @concurrent private static func start(_ configuration: GatewayNode.Configuration) async -> GatewayNode {
        do throws(GatewayStartError) {
            let node = try await GatewayNode(configuration)
            // In the words of the original, which scripts look for: the port may have been chosen by the system.
            for port in node.ports {
                Main.complain("setup \(port.side.rawValue) listener at - \(port.address)")
            }
            warn(of: configuration, node)
            return node
        } catch {
            Main.complain("omniway gateway: \(error)")
            Up.end(.runtime)
        }
    }

    private static func warn(of configuration: GatewayNode.Configuration, _ node: GatewayNode) {
        guard configuration.gateway.keys.allSatisfy(\.revealed.isEmpty) else { return }
        for port in node.ports where port.side == .server && !port.address.isLoopback {
            Log.shared.warning(
                "anybody can be a server",
                ["address": "\(port.address)", "try": "set --server-auth-key-file, or listen on 127.0.0.1"])
        }
    }
}

enum GatewayFlagError: Error, CustomStringConvertible {
    case port(GatewayPortError)
    case dialect(String)
    case admin(String)
    case keyFile(String)
    case identity

    var description: String {
        switch self {
        case .port(let error): "\(error)"
        case .dialect(let text): "there is no dialect \(text); write v1 or v2"
        case .admin(let text): "--admin-addr \(text) is not an address; write host:port, unix:path, or none"
        case .keyFile(let error): "--server-auth-key-file: \(error)"
        case .identity: "--tls-cert and --tls-key belong together; give both, or none"
        }
    }
}

extension GatewayNode.Configuration {
    init(_ call: Invocation) throws(GatewayFlagError) {
        self.init()
        typealias Flags = GatewayFlags
        loops = call[Flags.loops]
        reusesPorts = call[Flags.reusePort]
        gateway.maxPacketSize = call[Flags.maxPacket]
        gateway.connectionsPerClient = call[Flags.maxConnections]
        gateway.keys = try Self.keys(call)
        gateway.loginTimeout = call[Flags.loginTimeout]
        if call[Flags.dialect] == .v1, !call.given(Flags.loginTimeout) { gateway.loginTimeout = .seconds(3) }
        gateway.duplicateServers = call[Flags.duplicates]
        clients = try Self.side(Flags.client, call)
        servers = try Self.side(Flags.server, call)
        gateway.clients = Self.settings(Flags.client, call)
        gateway.servers = Self.settings(Flags.server, call)
        origins = call[Flags.origins].isEmpty ? nil : call[Flags.origins]
        let (certificate, key) = (call[Flags.certificate], call[Flags.certificateKey])
        guard certificate.isEmpty == key.isEmpty else { throw .identity }
        if !certificate.isEmpty { identity = .files(certificate: certificate, key: key) }
        if call[Flags.admin] != "none" {
            guard let address = SocketAddress(call[Flags.admin]) else { throw .admin(call[Flags.admin]) }
            admin = address
        }
    }

    private static func side(_ flags: GatewaySideFlags, _ call: Invocation) throws(GatewayFlagError) -> Side {
        var side = Side()
        let dialect = call[flags.dialect]
        if dialect.isEmpty {
            side.dialect = call[GatewayFlags.dialect]
        } else if let known = GatewayDialect(rawValue: dialect) {
            side.dialect = known
        } else {
            throw .dialect(dialect)
        }
        for address in call[flags.address] {
            do throws(GatewayPortError) { side.ports.append(try GatewayPort(address)) } catch { throw .port(error) }
        }
        side.bufferSize = max(1, call[flags.bufferSize])
        side.limits = ConnectionLimits(perAddress: call[flags.perAddress])
        return side
    }

    private static func settings(_ flags: GatewaySideFlags, _ call: Invocation) -> GatewaySideSettings {
        var settings = GatewaySideSettings(
            idleLimit: call[flags.idleTimeout], most: call[flags.queueBytes], mostMessages: call[flags.sendQueue])
        settings.pingInterval = call[flags.pingInterval]
        return settings
    }

    private static func keys(_ call: Invocation) throws(GatewayFlagError) -> [Secret] {
        let path = call[GatewayFlags.keyFile]
        guard !path.isEmpty else { return [Secret(call[GatewayFlags.key])] }
        do throws(SecretFileError) {
            let keys = try Secret.lines(of: path).prefix(2)
            if !keys.isEmpty { return Array(keys) }
        } catch { throw .keyFile("\(error)") }
        throw .keyFile("\(path) is empty; write the key on its first line")
    }
}
