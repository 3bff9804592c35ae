import Glibc

/// A file that a log appends to, made when it is missing. It can be moved away and opened again while in use.
public final class LogFile: Sendable {
    /// Where the file is opened, each time anew.
    public let path: String
    /// Stays the same number for life: what it stands for changes in one step, so a writer never meets a gap.
    let descriptor: Int32

    /// Opens `path` for appending.
    public init(_ path: String) throws(LogFileError) {
        self.path = path
        descriptor = try Self.open(path)
    }

    deinit { close(descriptor) }

    /// Opens the path again, after the file there was moved away. When that fails the old file stays in use.
    public func reopen() throws(LogFileError) {
        let new = try Self.open(path)
        defer { close(new) }
        while dup2(new, descriptor) < 0 {
            guard errno == EINTR || errno == EBUSY else { throw LogFileError(path: path, number: errno) }
        }
        // A duplicate does not inherit this flag, and Swift's Glibc lacks dup3. A child started in between keeps the
        // file open, no more.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Never waits, not even for the reader of a named pipe.
    private static func open(_ path: String) throws(LogFileError) -> Int32 {
        while true {
            // Safe because the call reads the path to its end and does not keep it.
            let descriptor = unsafe Glibc.open(
                path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o640)
            if descriptor >= 0 { return descriptor }
            guard errno == EINTR else { throw LogFileError(path: path, number: errno) }
        }
    }
}
