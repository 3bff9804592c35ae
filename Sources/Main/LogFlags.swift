import Omniway
package import OmniwayArguments

/// The flags of every command that runs for long: what it logs, and where.
package enum LogFlags {
    private static let level = Flag(
        "log-level", .choice, default: Level.info, help: "The least important events to log.")
    private static let format = Flag("log-format", .choice, default: Format.text, help: "How events are written.")
    private static let file = Flag(
        "log-file", .string, default: "", placeholder: "path",
        help: "Log to this file, which SIGHUP opens again after rotation. By default to standard error.")

    private enum Level: String, CaseIterable { case debug, info, notice, warning, error }
    private enum Format: String, CaseIterable { case text, json }

    package static let all: [any AnyFlag] = [level, format, file]

    /// False when the log cannot be written, which the person at the terminal has been told then by `program`.
    package static func configure(_ call: Invocation, of program: String) -> Bool {
        configureLevel(call)
        guard !call[file].isEmpty else { return true }
        do throws(LogFileError) {
            Log.shared.destination = .file(try LogFile(call[file]))
            return true
        } catch {
            complain("\(program): \(error)")
            return false
        }
    }

    /// What may change at any time.
    package static func configureLevel(_ call: Invocation) {
        Log.shared.level = LogLevel(call[level].rawValue) ?? .info
        Log.shared.format = call[format] == .json ? .json : .text
    }
}
