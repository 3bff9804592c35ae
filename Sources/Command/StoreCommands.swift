import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway backup` and `omniway restore`: copies of the registry's file, while a node uses it.
enum StoreCommands {
    private static let data = Flag(
        "data", .string, default: "", placeholder: "path",
        help:
            "The --data of omniway up; by default $OMNIWAY_DATA or ~/.omniway. The registry is node/registry.db there.")
    private static let registry = Flag(
        "registry", .string, default: "", placeholder: "path",
        help: "The file of the registry, wherever it is, such as registry.db in the --data of omniway node.")
    private static let file = Argument("file", .string, help: "The backup.")

    static let backup = Command(
        "backup", summary: "Copies the registry of a node into a file, while the node runs.",
        notes: """
            The copy has what there was at one moment. It is there whole or not at all, in place of an older one, and \
            for its owner alone: clients' codes are in it.
            """,
        flags: [data, registry], arguments: [file])

    static let restore = Command(
        "restore", summary: "Puts a backup back into the registry of a node, while the node runs.",
        notes: """
            Clients and rules become what they are in the backup, in one step, and a node that runs hears of each \
            change. Who is logged in now stays so. Backups of older versions are taken, and stay as they are.
            """,
        flags: [data, registry], arguments: [file])

    static func save(_ call: Invocation) -> ExitCode {
        attempt("backup") { () throws(RegistryError) in
            try SQLiteBackup.save(path(call), to: call[file])
            return "\(path(call)) is copied to \(call[file])"
        }
    }

    static func putBack(_ call: Invocation) -> ExitCode {
        attempt("restore") { () throws(RegistryError) in
            let (put, removed) = try SQLiteBackup.restore(call[file], into: path(call))
            return "\(path(call)): \(put) entries put back, \(removed) taken away"
        }
    }

    private static func path(_ call: Invocation) -> String {
        if !call[registry].isEmpty { return call[registry] }
        return (call[data].isEmpty ? DataFolder.standard() : DataFolder(call[data])).file("node/registry.db")
    }

    private static func attempt(_ name: String, _ body: () throws(RegistryError) -> String) -> ExitCode {
        do throws(RegistryError) {
            print(try body())
            return .success
        } catch {
            complain("omniway \(name): \(error)")
            return .runtime
        }
    }
}
