import FoundationEssentials
import Omniway
import OmniwayArguments

/// An app as its command line, its file and its environment describe it.
struct AppLaunch {
    let app: App
    let loops: Int
    let admin: SocketAddress?
    let joinsCluster: Bool
    /// What was said and has no effect.
    let warnings: [String]

    init(
        _ call: Invocation, _ flags: AppFlags, _ settings: AppSettings, _ serializers: [any Serializer],
        environment: [String: String], _ setUp: (App) throws -> Void
    ) throws {
        joinsCluster = call[AppFlags.cluster]
        if !joinsCluster {
            if call[AppFlags.frontend] == .false { throw AppLaunchError.backend }
            if ClusterFlags.isGiven(call) { throw AppLaunchError.alone }
        }
        var configuration = PitayaConfiguration()
        let path = call[AppFlags.configuration]
        if !path.isEmpty {
            guard let text = FileManager.default.contents(atPath: path) else { throw AppLaunchError.unreadable(path) }
            try configuration.read(Array(text), of: path)
        }
        configuration.read(environment: environment)
        warnings = configuration.warnings
        var settings = try AppSettings(pitaya: configuration, over: settings)
        settings.tracing = settings.tracing ?? TracingSettings(environment: environment)
        if call.given(flags.heartbeat) { settings.heartbeat = call[flags.heartbeat] }
        if call.given(AppFlags.compression) {
            let isOn = call[AppFlags.compression] == .true
            if isOn != (settings.compression != .off) { settings.compression = isOn ? .on : .off }
        }
        if call.given(AppFlags.frontend) { settings.cluster.isFrontend = call[AppFlags.frontend] == .true }
        try ClusterFlags.apply(call, to: &settings.cluster)
        var name = call[flags.serializer]
        if !call.given(flags.serializer), let chosen = try configuration.serializer() { name = chosen }
        guard let serializer = serializers.first(where: { $0.name == name }) else {
            throw AppLaunchError.serializer(name, of: serializers.map(\.name))
        }
        loops = call[AppFlags.loops]
        admin = try Self.admin(call[AppFlags.admin])
        let id = call[AppFlags.id]
        app = App(type: call[flags.type], id: id.isEmpty ? nil : id, settings: settings, serializer: serializer)
        try setUp(app)
        try Self.listen(app, call)
        for text in call[AppFlags.dictionary] { app.compress(try Self.dictionary(text)) }
    }

    private static func admin(_ text: String) throws(AppLaunchError) -> SocketAddress? {
        if text == "none" { return nil }
        guard let address = SocketAddress(text) else { throw .admin(text) }
        return address
    }

    /// Of `room.room.move=1,onMove=2`.
    static func dictionary(_ text: String) throws(AppLaunchError) -> [String: UInt16] {
        var codes: [String: UInt16] = [:]
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let code = UInt16(parts[1]), codes[String(parts[0])] == nil
            else { throw .dictionary(String(pair)) }
            codes[String(parts[0])] = code
        }
        return codes
    }

    // MARK: Ports

    private static func listen(_ app: App, _ call: Invocation) throws {
        let identity = try identity(call)
        var isSecured = false
        func server(_ isSecure: Bool, _ text: String) throws -> TLSServer? {
            guard isSecure else { return nil }
            guard let identity else { throw AppLaunchError.noIdentity(text) }
            isSecured = true
            return try TLSServer(identity)
        }
        for text in call[AppFlags.tcp] {
            let (address, isSecure) = (text.after("tls://") ?? text, text.hasPrefix("tls://"))
            guard isAddress(address) else { throw AppLaunchError.address("--tcp", text) }
            if let server = try server(isSecure, text) {
                app.listen(.tls(address, server))
            } else {
                app.listen(.tcp(address))
            }
        }
        for text in call[AppFlags.webSocket] {
            let rest = text.after("wss://") ?? text.after("ws://") ?? text
            let address = String(rest.hasPrefix("unix:") ? rest[...] : rest.prefix { $0 != "/" })
            let path = rest.dropFirst(address.count)
            guard isAddress(address) else { throw AppLaunchError.address("--ws", text) }
            let server = try server(text.hasPrefix("wss://"), text)
            app.listen(.webSocket(address, path: path.isEmpty ? nil : String(path), tls: server))
        }
        if identity != nil, !isSecured { throw AppLaunchError.idleIdentity }
    }

    private static func isAddress(_ text: String) -> Bool { SocketAddress(text) != nil || HostPort(text) != nil }

    private static func identity(_ call: Invocation) throws(AppLaunchError) -> TLSIdentity? {
        let (certificate, key) = (call[AppFlags.certificate], call[AppFlags.certificateKey])
        guard certificate.isEmpty == key.isEmpty else { throw .halfIdentity }
        return certificate.isEmpty ? nil : .files(certificate: certificate, key: key)
    }
}

extension String {
    fileprivate func after(_ prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
}

enum AppLaunchError: Error, Equatable, CustomStringConvertible {
    case backend
    case alone
    case unreadable(String)
    case serializer(String, of: [String])
    case admin(String)
    case dictionary(String)
    case address(String, String)
    case halfIdentity
    case idleIdentity
    case noIdentity(String)

    var description: String {
        switch self {
        case .backend:
            "--frontend false: nobody could reach it alone; add --cluster, or leave it out"
        case .alone: "what says where the cluster is, such as --etcd, is for a server in one; add --cluster"
        case .unreadable(let path): "--config \(path) cannot be read; name a file of JSON"
        case .serializer(let name, let names):
            "there is no serializer \(name) here; write --serializer \(names.joined(separator: " or "))"
        case .admin(let text): "--admin \(text) is not an address; write host:port in digits, unix:path, or none"
        case .dictionary(let text):
            "--dict has \(text.debugDescription); write each route once, as route=code with a code up to \(UInt16.max)"
        case .address(let flag, let text): "\(flag) \(text) is not an address; write host:port or unix:path"
        case .halfIdentity: "--tls-cert and --tls-key belong together; give both, or none"
        case .idleIdentity:
            "--tls-cert is for no port; write --tcp tls://address or --ws wss://address, or leave it out"
        case .noIdentity(let address): "\(address) is to speak TLS; give --tls-cert and --tls-key"
        }
    }
}
