import Glibc

/// A folder of one test, removed with all its files when the test lets go of it.
///
/// Where texts go to the system as pointers: safe because the call reads them to their end and keeps none.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/omniway-test-XXXXXX".utf8CString)
        // Safe because the call only replaces the letters of a text that ends with zero.
        guard unsafe mkdtemp(&template) != nil else { throw Failure(number: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { remove(name) }
        unsafe rmdir(path)
    }

    func file(_ name: String) -> String { path + "/" + name }

    func move(_ name: String, to other: String) throws {
        guard unsafe rename(file(name), file(other)) == 0 else { throw Failure(number: errno) }
    }

    func makeFolder(_ name: String) throws {
        guard unsafe mkdir(file(name), 0o700) == 0 else { throw Failure(number: errno) }
    }

    func makePipe(_ name: String) throws {
        guard unsafe mkfifo(file(name), 0o600) == 0 else { throw Failure(number: errno) }
    }

    /// A descriptor to read from; a pipe's needs no writer yet.
    func open(_ name: String) throws -> Int32 {
        let descriptor = unsafe Glibc.open(file(name), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(number: errno) }
        return descriptor
    }

    private func remove(_ name: String) {
        if unsafe unlink(file(name)) < 0 { unsafe rmdir(file(name)) }
    }

    private var names: [String] {
        // Safe because each entry is read before the next is asked for, and none after the folder is closed.
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                    unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
                })
        }
        return names.filter { $0 != "." && $0 != ".." }
    }

    /// The lines of a file, each of which must have its end.
    func lines(_ name: String) throws -> [String] {
        let text = try read(name)
        guard !text.isEmpty else { return [] }
        precondition(text.last == "\n", "the last line of \(name) has no end")
        return text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    func read(_ name: String) throws -> String {
        let descriptor = try open(name)
        defer { close(descriptor) }
        return try String(decoding: readToEnd(of: descriptor), as: UTF8.self)
    }

    private func readToEnd(of descriptor: Int32) throws -> [UInt8] {
        var all: [UInt8] = []
        while let part = try readSome(of: descriptor) { all += part }
        return all
    }

    struct Failure: Error { let number: Int32 }
}

/// What the descriptor has, waiting for it if it must; `nil` at its end.
func readSome(of descriptor: Int32) throws -> [UInt8]? {
    var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe because there is one entry, as the call is told.
    _ = unsafe poll(&interest, 1, -1)
    var part = [UInt8](repeating: 0, count: 4096)
    // Safe because the call is told how long the buffer is.
    let count = unsafe Glibc.read(descriptor, &part, part.count)
    guard count >= 0 else { throw TemporaryFolder.Failure(number: errno) }
    return count == 0 ? nil : Array(part.prefix(count))
}
