import Glibc
import OmniwayTesting
import OmniwayTransport

/// What the log's tests do in a folder besides.
extension TemporaryFolder {
    func makeFolder(_ name: String) throws {
        guard unsafe mkdir(file(name), 0o700) == 0 else { throw SystemError(number: errno) }
    }

    func makePipe(_ name: String) throws {
        guard unsafe mkfifo(file(name), 0o600) == 0 else { throw SystemError(number: errno) }
    }

    /// A descriptor to read from; a pipe's needs no writer yet.
    func open(_ name: String) throws -> Int32 {
        let descriptor = unsafe Glibc.open(file(name), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        return descriptor
    }

    /// The lines of a file, each of which must have its end.
    func lines(_ name: String) throws -> [String] {
        let text = try read(name)
        guard !text.isEmpty else { return [] }
        precondition(text.last == "\n", "the last line of \(name) has no end")
        return text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}

/// What the descriptor has, waiting for it if it must; `nil` at its end.
func readSome(of descriptor: Int32) throws -> [UInt8]? {
    var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe because there is one entry, as the call is told.
    _ = unsafe poll(&interest, 1, -1)
    var part = [UInt8](repeating: 0, count: 4096)
    // Safe because the call is told how long the buffer is.
    let count = unsafe Glibc.read(descriptor, &part, part.count)
    guard count >= 0 else { throw SystemError(number: errno) }
    return count == 0 ? nil : Array(part.prefix(count))
}
