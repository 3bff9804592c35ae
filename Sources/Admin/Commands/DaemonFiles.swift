/// The files by which an operator and a daemon meet, in one folder: `<name>.pid`, `<name>.cmd`,
/// `<name>.sock`, `<name>.<what>.prof`.
public struct DaemonFiles: Sendable {
    /// What all of them begin with.
    public let name: String
    /// Where they are.
    public let folder: String

    /// Nil for a name that is no part of a path: empty, with a slash, or with a dot in front.
    public init?(name: String, folder: String = ".") {
        guard Self.isPart(name), !folder.isEmpty else { return nil }
        (self.name, self.folder) = (name, folder)
    }

    /// The process's number.
    public var pid: String { "\(folder)/\(name).pid" }
    /// The next command.
    public var command: String { "\(folder)/\(name).cmd" }
    /// The socket at which the daemon is asked to give its place to a new process.
    public var upgrade: String { "\(folder)/\(name).sock" }
    /// What a command found.
    func profile(_ what: String) -> String { "\(folder)/\(name).\(what).prof" }

    static func isPart(_ name: String) -> Bool {
        !name.isEmpty && name.first != "." && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 > 0x1f }
    }
}
