import FoundationEssentials
import OmniwayTransport
import OmniwayTunnel

/// Where programs of one user keep what must outlive them.
public struct DataFolder: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// `$OMNIWAY_DATA`, or `.omniway` at home.
    public static func standard(_ environment: [String: String]? = nil) -> DataFolder {
        let environment = environment ?? ProcessInfo.processInfo.environment
        if let path = environment["OMNIWAY_DATA"], !path.isEmpty { return DataFolder(path) }
        let home = environment["HOME"] ?? ""
        return DataFolder(home.isEmpty ? ".omniway" : "\(home)/.omniway")
    }

    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Makes the folder, for its owner alone, if it is not there.
    public func create() throws(DataFolderError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw .folder(path, "\(error)") }
    }

    /// What a file has; nil when there is none.
    func read(_ name: String) throws(DataFolderError) -> [UInt8]? {
        do throws(SystemError) { return try PrivateFile.read(file(name)) } catch { throw .file(file(name), error) }
    }

    /// Writes a file whole or not at all, for its owner alone.
    func write(_ bytes: [UInt8], to name: String) throws(DataFolderError) {
        do throws(SystemError) { try PrivateFile.write(bytes, to: file(name)) } catch {
            throw .file(file(name), error)
        }
    }
}

public enum DataFolderError: Error, CustomStringConvertible {
    case folder(String, String)
    case file(String, SystemError)
    case content(String, String)
    /// A key that others than its owner may use, and its rights.
    case open(String, UInt32)

    public var description: String {
        switch self {
        case .folder(let path, let why): "cannot make the folder \(path): \(why); name another one"
        case .file(let path, let error):
            "cannot use \(path): \(error); give this process the right to, or another folder"
        case .content(let path, let what): "\(path) has not \(what); repair it, or delete it for a new one"
        case .open(let path, let rights):
            "\(path) is a key, and others can use it too (its rights are 0\(String(rights, radix: 8))); "
                + "run `chmod 600 \(path)`, or delete it for a new one"
        }
    }
}
