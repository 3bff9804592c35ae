public import OmniwayTelemetry
import OmniwayTransport

/// Where a command says what it found: the log, or a file.
public struct CommandOutput: Sendable {
    /// For an answer of one line.
    public let log: Log
    let files: DaemonFiles

    /// Writes `<name>.<what>.prof`, whole or not at all, in place of an earlier one, and logs where it is.
    public func write(_ what: String, _ text: String) async throws { try await write(what, Array(text.utf8)) }

    /// The same for an answer that is no text.
    public func write(_ what: String, _ bytes: [UInt8]) async throws {
        precondition(DaemonFiles.isPart(what), "a part of a file's name, such as cpu")
        let path = files.profile(what)
        try await offLoop { try PlainFile.write(bytes, to: path) }
        log.notice("command answered", ["file": path, "bytes": "\(bytes.count)"])
    }
}

/// Runs what blocks on a helper thread.
func offLoop<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    guard let result = await HelperPool.shared.run({ Result { try work() } }) else { throw DaemonFileError.busy }
    return try result.get()
}
