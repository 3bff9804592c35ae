import Omniway
import OmniwayArguments

enum GatewayFlagError: Error, CustomStringConvertible {
    case port(GatewayPortError)
    case dialect(String)
    case admin(String)
    case keyFile(String)
    case identity
    case ring(Int)
    case limit(flag: String, Int, most: Int)
    case poolChunks
    case packetSize(Int)

    var description: String {
        switch self {
        case .port(let error): "\(error)"
        case .dialect(let text): "there is no dialect \(text); write v1 or v2"
        case .admin(let text): "--admin-addr \(text) is not an address; write host:port, unix:path, or none"
        case .keyFile(let error): "--server-auth-key-file: \(error)"
        case .identity: "--tls-cert and --tls-key belong together; give both, or none"
        case .limit(let flag, let bytes, let most): "--\(flag) of \(bytes) bytes is too much; write at most \(most)"
        case .ring(let bytes): "a snet buffer of \(bytes) bytes is too much; write at most \(QueueLimits.largest)"
        case .packetSize(let size):
            "--max-packet \(size) is not between \(GatewaySettings.packetSizes.lowerBound) and "
                + "\(GatewaySettings.packetSizes.upperBound) bytes"
        case .poolChunks: "--mem-pool-min-chunk is above --mem-pool-max-chunk; the smallest block cannot be larger"
        }
    }
}

extension GatewayFlags {
    /// What they say of the process.
    static func node(_ call: Invocation) throws(GatewayFlagError) -> Node.Configuration {
        var node = Node.Configuration()
        node.loops = call[loops]
        node.loopLimits.pool = try pool(call)
        node.drainLimit = call[drain]
        if call[admin] != "none" {
            guard let address = SocketAddress(call[admin]) else { throw .admin(call[admin]) }
            node.admin = address
        }
        return node
    }

    private static func pool(_ call: Invocation) throws(GatewayFlagError) -> PoolLimits {
        var pool = PoolLimits()
        pool.factor = call[poolFactor]
        pool.smallest = call[poolMinChunk]
        pool.largest = call[poolMaxChunk]
        pool.keptPerSize = call[poolPageSize]
        // The originals' smallest block is smaller than ours, so their largest one may be below ours.
        if !call.given(poolMinChunk) { pool.smallest = max(16, min(pool.smallest, pool.largest)) }
        guard pool.smallest <= pool.largest else { throw .poolChunks }
        return pool
    }
}

/// What they say of the gateway.
extension GatewayPart.Configuration {
    init(_ call: Invocation) throws(GatewayFlagError) {
        self.init()
        typealias Flags = GatewayFlags
        reusesPorts = call[Flags.reusePort]
        gateway.maxPacketSize = call[Flags.maxPacket]
        guard GatewaySettings.packetSizes ~= gateway.maxPacketSize else { throw .packetSize(gateway.maxPacketSize) }
        gateway.connectionsPerClient = call[Flags.maxConnections]
        gateway.keys = try Self.keys(call)
        gateway.loginTimeout = call[Flags.loginTimeout]
        if call[Flags.dialect] == .v1, !call.given(Flags.loginTimeout) { gateway.loginTimeout = .seconds(3) }
        gateway.duplicateServers = call[Flags.duplicates]
        clients = try Self.side(Flags.client, call)
        servers = try Self.side(Flags.server, call)
        gateway.clients = try Self.settings(Flags.client, "client-queue-bytes", call)
        gateway.servers = try Self.settings(Flags.server, "server-queue-bytes", call)
        origins = call[Flags.origins].isEmpty ? nil : call[Flags.origins]
        let (certificate, key) = (call[Flags.certificate], call[Flags.certificateKey])
        guard certificate.isEmpty == key.isEmpty else { throw .identity }
        if !certificate.isEmpty { identity = .files(certificate: certificate, key: key) }
    }

    private static func size(_ flag: String, _ bytes: Int, most: Int) throws(GatewayFlagError) -> Int {
        guard bytes <= most else { throw .limit(flag: flag, bytes, most: most) }
        return bytes
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
        let perAddress = call[flags.perAddress]
        side.limits = ConnectionLimits(perAddress: perAddress == 0 ? .max : perAddress)
        if call[flags.snet] { side.snet = try snet(flags, call) }
        return side
    }

    private static func snet(_ flags: GatewaySideFlags, _ call: Invocation) throws(GatewayFlagError) -> SnetServer {
        let ring = call[flags.snetBuffer]
        guard ring <= QueueLimits.largest else { throw .ring(ring) }
        var handshakes = HandshakeLimits()
        handshakes.deadline = call[flags.snetInitTimeout]
        return SnetServer(
            dialect: call[flags.snetDialect], encrypts: call[flags.snetEncrypt], ring: ring,
            waitLimit: max(.milliseconds(1), call[flags.snetWaitTimeout]), handshakes: handshakes)
    }

    private static func settings(
        _ flags: GatewaySideFlags, _ bytes: String, _ call: Invocation
    ) throws(GatewayFlagError) -> GatewaySideSettings {
        var settings = GatewaySideSettings(
            idleLimit: call[flags.idleTimeout],
            most: try size(bytes, call[flags.queueBytes], most: QueueLimits.largest),
            mostMessages: call[flags.sendQueue])
        settings.perTurn = max(1, call[flags.bufferSize])
        settings.pingInterval = call[flags.pingInterval]
        return settings
    }

    private static func keys(_ call: Invocation) throws(GatewayFlagError) -> [Secret] {
        let path = call[GatewayFlags.keyFile]
        guard !path.isEmpty else { return [Secret(call[GatewayFlags.key])] }
        do throws(SecretFileError) {
            let keys = try Secret.lines(of: path).prefix(2)
            // An empty key would let everybody in.
            if !keys.isEmpty, !keys.contains(where: \.revealed.isEmpty) { return Array(keys) }
        } catch { throw .keyFile("\(error)") }
        throw .keyFile("\(path) has no key on its first line, or an empty line below it; write one key on each line")
    }
}
