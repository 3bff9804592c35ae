/// A server of a cluster, as it is written down for the others to find.
public struct ClusterServer: Hashable, Sendable {
    /// Which server it is; no two have the same.
    public var id: String
    /// What kind of server it is: the first part of its routes.
    public var type: String
    public var metadata: [String: String]
    /// Clients connect to it.
    public var isFrontend: Bool
    public var host: String

    public init(id: String, type: String, metadata: [String: String] = [:], isFrontend: Bool = false, host: String = "")
    {
        (self.id, self.type, self.metadata, self.isFrontend, self.host) = (id, type, metadata, isFrontend, host)
    }
}

extension ClusterServer {
    /// As Go writes it, the keys of the metadata sorted.
    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) { server in
            server.member("id", id)
            server.member("type", type)
            server.object("metadata") { writer in
                for key in metadata.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
                    writer.member(key, metadata[key, default: ""])
                }
            }
            server.member("frontend", isFrontend)
            server.member("hostname", host)
        }
        return bytes
    }

    /// Reads what another wrote, by Go's rules. Metadata may be null.
    package init(json bytes: RawSpan) throws(PomeloError) {
        let fields = try PomeloFields(bytes, limits: Self.limits)
        self.init(
            id: try fields.string("id"), type: try fields.string("type"), isFrontend: try fields.bool("frontend"),
            host: try fields.string("hostname"))
        for (key, value) in try fields.each(in: "metadata", { value throws(JSON.Mismatch) in try value.string() }) {
            metadata[key] = value
        }
    }
    private static let limits = JSON.Reader.Limits(bytes: 64 << 10, depth: 8)
}

/// Where a cluster keeps what its servers know of each other.
package struct ClusterKeys: Sendable {
    package let prefix: String

    package init(prefix: String) { self.prefix = prefix }

    package var servers: String { "\(prefix)servers/" }
    package func server(_ server: ClusterServer) -> String { "\(servers)\(server.type)/\(server.id)" }
    /// The frontend that has a user.
    package func binding(_ user: String, at frontendType: String) -> String {
        "\(prefix)bindings/\(frontendType)/\(user)"
    }
    package var groups: String { "\(prefix)groups/" }
    package func group(_ name: String) -> String { "\(groups)\(name)" }
    package func members(of group: String) -> String { "\(groups)\(group)/uids/" }

    /// Type and id of the server that has a key; nil for other keys.
    package func server(at key: String) -> (type: String, id: String)? {
        guard key.utf8.starts(with: servers.utf8) else { return nil }
        let parts = key.utf8.dropFirst(servers.utf8.count)
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        return (String(Substring(parts[0])), String(Substring(parts[1])))
    }
}

/// The subjects by which servers of a cluster reach each other.
package enum ClusterSubject {
    package static func server(_ type: String, _ id: String) -> String { "pitaya/servers/\(type)/\(id)" }
    package static func push(_ user: String, at frontendType: String) -> String {
        "pitaya/\(frontendType)/user/\(user)/push"
    }
    package static func kick(_ user: String, at frontendType: String) -> String {
        "pitaya/\(frontendType)/user/\(user)/kick"
    }
    package static func bindings(_ type: String) -> String { "pitaya/\(type)/bindings" }

    /// Why a name cannot be part of a subject; nil when it can.
    package static func fault(in name: String) -> String? {
        if name.isEmpty { return "it is empty" }
        if name.utf8.count > mostBytes { return "it has more than \(mostBytes) bytes" }
        let isFine = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !Array(".*>/".utf8).contains($0) }
        return isFine ? nil : "spaces and . * > / mean something on the bus; leave them out"
    }
    private static let mostBytes = 256
}
