import Omniway
import OmniwayArguments

/// What `omniway peer` and `omniway up` say alike. The secret of a group is from a file or a variable, which lists of
/// processes do not show.
enum MeshFlags {
    static let variable = "OMNIWAY_MESH_SECRET"

    static let groupSecret = Flag(
        "group-secret-file", .string, default: "", placeholder: "path",
        help: "A file with the secret of a closed group on its first line; by default $\(variable), or none.")

    static let members = Flag(
        "members", .boolean, default: false,
        help: "Whether it knows all members, for meshes of up to a thousand that all say so.")
    static let announce = Flag(
        "announce", .string, default: "", placeholder: "host:port",
        help: "Where others are told that it is, such as the address of a tunnel; by default where it listens.")
    static let discover = Flag(
        "discover", .string, default: "", placeholder: "address",
        help: "Looks for peers in the local network where this machine has this address, or where the default route "
            + "goes with any. By default it does not.")

    /// Nil for none.
    static func network(_ call: Invocation) throws(MeshFlagError) -> MulticastGroup? {
        let text = call[discover]
        if text.isEmpty { return nil }
        if text == "any" { return .localMesh }
        guard let own = SocketAddress(host: text, port: 0),
            let group = MulticastGroup(MulticastGroup.localMesh.address, through: own)
        else { throw .noNetwork(text) }
        return group
    }

    /// What both commands say of a node of the second version, and `also` what one of them says besides.
    static func settings(
        _ call: Invocation, in mode: MeshPart.Mode, _ environment: [String: String],
        also wishes: [(name: String, isGiven: Bool)] = []
    ) throws -> NodeSettings {
        var settings = NodeSettings()
        settings.groupSecret = try groupSecret(call, environment)
        settings.listsMembers = call[members]
        let common = [
            ("a group's secret", settings.groupSecret != nil), ("--members", settings.listsMembers),
            ("--discover", !call[discover].isEmpty),
        ]
        try mode.allow(wishes + common)
        return settings
    }

    /// Nil for a mesh that everybody may join.
    private static func groupSecret(_ call: Invocation, _ environment: [String: String]) throws -> [UInt8]? {
        var text = environment[variable] ?? ""
        let path = call[groupSecret]
        if !path.isEmpty {
            text = try Secret.lines(of: path).first?.revealed ?? ""
            if text.isEmpty { throw MeshFlagError.noSecret(path) }
        }
        if text.isEmpty { return nil }
        guard let bytes = GroupSecret.bytes(of: text) else { throw MeshFlagError.shortSecret }
        return bytes
    }
}

enum MeshFlagError: Error, Equatable, CustomStringConvertible {
    case noSecret(String)
    case shortSecret
    case noNetwork(String)

    var description: String {
        switch self {
        case .noSecret(let path): "\(path) has no secret on its first line; write one there, by `openssl rand -hex 32`"
        case .noNetwork(let text): "--discover \(text): write an address of this machine, such as 192.168.1.5, or any"
        case .shortSecret:
            "the group's secret is shorter than \(GroupSecret.leastLetters) letters; draw one by `openssl rand -hex 32`"
        }
    }
}
