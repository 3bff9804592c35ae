public import OmniwayWire
import OmniwayTransport
import OmniwayTunnel

/// The key of a node of the mesh in a file of its owner's alone: whoever has it is the node.
public struct MeshIdentityFile: Sendable {
    public let path: String
    /// Made first, where it is a node's own.
    private let folder: DataFolder?

    public init(_ path: String) { (self.path, folder) = (path, nil) }

    /// In a node's folder.
    public init(in folder: DataFolder) { (path, self.folder) = (folder.file("mesh.key"), folder) }

    /// The node that it was the last time, or a new one that is written down. Reading and writing block.
    public func loadOrMake() throws(DataFolderError) -> NodeIdentity {
        if let found = try attempt({ () throws(SystemError) in try PrivateFile.readKey(path) }) {
            if let rights = found.openRights { throw .open(path, rights) }
            let text = String(decoding: found.bytes, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
            guard let identity = NodeIdentity(kept: text) else { throw .content(path, "the key of a node") }
            return identity
        }
        try folder?.create()
        let identity = NodeIdentity.random()
        try attempt { () throws(SystemError) in try PrivateFile.write(Array("\(identity.kept)\n".utf8), to: path) }
        return identity
    }

    private func attempt<Value>(_ body: () throws(SystemError) -> Value) throws(DataFolderError) -> Value {
        do throws(SystemError) { return try body() } catch { throw .file(path, error) }
    }
}
