import Glibc
public import OmniwayTelemetry

/// `<name>.pid`: the number of the process, for `kill`. Process 1 of a container writes none.
public struct PidFile: Sendable {
    private let path: String
    private let content: [UInt8]

    /// Writes the file. One that is there already was left by a process that could not remove it, or belongs to a
    /// second one in the same folder: it is replaced, with a warning in the latter case. A successor takes it from the
    /// process whose place it takes.
    public init(_ files: DaemonFiles, isSuccessor: Bool = false, log: Log = .shared) throws(DaemonFileError) {
        try self.init(files, pid: getpid(), isSuccessor: isSuccessor, log: log)
    }

    init(_ files: DaemonFiles, pid: Int32, isSuccessor: Bool = false, log: Log) throws(DaemonFileError) {
        path = files.pid
        content = pid == 1 ? [] : Array("\(pid)".utf8)
        guard !content.isEmpty else { return }
        if !isSuccessor, let other = Self.holder(of: path), other != pid, Self.isSameProgram(other) {
            log.warning(
                "pid file taken over",
                ["file": path, "pid": "\(other)", "hint": "that process runs too; give each a folder of its own"])
        }
        try PlainFile.write(content, to: path)
    }

    /// Removes the file, unless it is somebody else's by now. Call it last, before the process ends.
    public func remove() {
        guard !content.isEmpty, (try? PlainFile.read(path, atMost: 64)) == content else { return }
        unsafe unlink(path)  // Safe because the call reads the path to its end.
    }

    private static func holder(of path: String) -> Int32? {
        let text = String(decoding: (try? PlainFile.read(path, atMost: 64)) ?? [], as: UTF8.self)
        return Int32(text.filter(\.isNumber))
    }

    /// Numbers are given again: only a process of the same executable is another one of us.
    private static func isSameProgram(_ pid: Int32) -> Bool {
        guard let own = target("/proc/self/exe") else { return false }
        return target("/proc/\(pid)/exe") == own
    }

    private static func target(_ link: String) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink(link, &buffer, buffer.count)  // Safe because it is told how much fits.
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }
}
