import FoundationEssentials
import Omniway
import OmniwayArguments
import OmniwayMain

/// What the settings of `omniway up` mean: a whole node, before anything of it is started.
struct UpPlan: Sendable {
    var process = Node.Configuration()
    /// Of the dashboard.
    var adminKeys: [Secret] = []
    var folder = DataFolder.standard()
    var parts: Set<UpSettings.Part> = []
    var gateway = GatewayPart.Configuration()
    var tunnel = TunnelPart.Configuration()
    var mesh = MeshPart.Configuration()
    var echo = EchoPart.Configuration()
    var room = Room()

    struct Room: Sendable {
        var listen = SocketAddress.loopback()
        var page = SocketAddress.loopback()
        var server: EndpointID = 1
    }

    init(_ settings: Settings, environment: [String: String]) throws {
        let whole = settings[""]
        for text in whole[UpSettings.parts] {
            guard let part = UpSettings.Part(rawValue: text) else { throw UpError.part(text) }
            parts.insert(part)
        }
        process.loops = whole[UpSettings.loops]
        process.drainLimit = whole[UpSettings.drain]
        if whole[UpSettings.admin] != "none" { process.admin = try Self.address(whole[UpSettings.admin], "adminAddr") }
        if !whole[UpSettings.adminKey].isEmpty { adminKeys = try Secret.lines(of: whole[UpSettings.adminKey]) }
        guard !adminKeys.contains(where: \.revealed.isEmpty) else { throw UpError.emptyKey(whole[UpSettings.adminKey]) }
        folder = whole[UpSettings.data].isEmpty ? .standard(environment) : DataFolder(whole[UpSettings.data])
        gateway = try GatewayPart.Configuration(settings["gateway"])
        // Nobody has to think of a key for the room beside the gateway.
        if gateway.gateway.keys.contains(where: \.revealed.isEmpty) { gateway.gateway.keys = [Self.drawnKey()] }
        tunnel = try TunnelNodeFlags.configuration(
            settings["tunnel"], in: DataFolder(folder.file("node")), environment: environment)
        let room = settings["room"]
        self.room.listen = try Self.address(room[UpSettings.Room.listen], "room.listen")
        self.room.page = try Self.address(room[UpSettings.Room.page], "room.page")
        self.room.server = EndpointID(rawValue: UInt32(room[UpSettings.Room.server]))
        let mesh = settings["mesh"]
        self.mesh.name = mesh[UpSettings.Mesh.name]
        self.mesh.mode = mesh[UpSettings.Mesh.mode]
        if self.mesh.mode == .auto { self.mesh.identityFile = MeshIdentityFile(in: folder) }
        self.mesh.node = try MeshFlags.settings(mesh, in: self.mesh.mode, environment)
        self.mesh.network = try MeshFlags.network(mesh)
        let announced = mesh[MeshFlags.announce]
        self.mesh.announced = announced.isEmpty ? nil : announced
        self.mesh.address = try Self.address(mesh[UpSettings.Mesh.listen], "mesh.listen")
        self.mesh.join = mesh[UpSettings.Mesh.join]
        let echo = settings["echo"]
        self.echo.address = try Self.address(echo[UpSettings.Echo.listen], "echo.listen")
        self.echo.idleLimit = echo[UpSettings.Echo.idle]
        self.echo.limits = ConnectionLimits(
            total: echo[UpSettings.Echo.connections], perAddress: echo[UpSettings.Echo.perAddress])
    }

    /// Of the system's randomness.
    private static func drawnKey() -> Secret {
        Secret((0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined())
    }

    private static func address(_ text: String, _ setting: String) throws(UpError) -> SocketAddress {
        guard let address = SocketAddress(text) else { throw .address(text, of: setting) }
        return address
    }

    /// The settings of a command line: the file counts more than the defaults, the environment more than the file, and
    /// the words most.
    static func settings(
        _ call: Invocation, file: String, words: [String], environment: [String: String]
    ) throws -> (settings: Settings, unknown: [String]) {
        var settings = UpSettings.all
        if !file.isEmpty { try settings.read(file: file) }
        // Secrets of clusters and groups stand in no file of settings, and what a process is told by the one whose
        // place it takes is none.
        let others: Set<String> = ["OMNIWAY_CLUSTER_KEY", MeshFlags.variable, "OMNIWAY_PREDECESSOR"]
        let unknown = try settings.set(from: environment.filter { !others.contains($0.key) })
        for word in words { try settings.set(word) }
        settings.set(from: call)
        return (settings, unknown)
    }
}

enum UpError: Error, Equatable, CustomStringConvertible {
    case part(String)
    case address(String, of: String)
    case emptyKey(String)

    var description: String {
        switch self {
        case .part(let text):
            "parts: there is no part \(text.debugDescription); write some of "
                + UpSettings.Part.allCases.map(\.rawValue).joined(separator: ", ")
        case .emptyKey(let path):
            "adminKeyFile: \(path) has an empty line, with which everybody could log in; write a secret on each line"
        case .address(let text, let setting):
            "\(setting): \(text.debugDescription) is not an address; write host:port in digits, unix:path"
                + (setting == "adminAddr" ? ", or none" : "")
        }
    }
}
