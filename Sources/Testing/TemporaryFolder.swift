import Glibc
public import OmniwayTransport

/// A folder of one test, removed with all its files when the test lets go of it.
///
/// Where texts go to the system as pointers: safe because the call reads them to their end and keeps none.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws(SystemError) {
        var template = Array("/tmp/omniway-test-XXXXXX".utf8CString)
        // Safe because the call only replaces the letters of a text that ends with zero.
        guard unsafe mkdtemp(&template) != nil else { throw SystemError(number: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names where unsafe unlink(file(name)) < 0 { unsafe rmdir(file(name)) }
        unsafe rmdir(path)
    }

    /// The path of a file in it, which need not be there.
    public func file(_ name: String) -> String { path + "/" + name }

    /// Puts a file there, or another in its place: whoever reads it sees the old one or the new one, and no half.
    public func write(_ name: String, _ text: String) throws(SystemError) {
        let descriptor = unsafe open(file(name) + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemError(number: errno) }
            bytes = bytes.dropFirst(count)
        }
        guard unsafe rename(file(name) + ".new", file(name)) == 0 else { throw SystemError(number: errno) }
    }

    public func move(_ name: String, to other: String) throws(SystemError) {
        guard unsafe rename(file(name), file(other)) == 0 else { throw SystemError(number: errno) }
    }

    /// What a file holds, which must be UTF-8.
    public func read(_ name: String) throws(SystemError) -> String {
        let descriptor = unsafe open(file(name), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe Glibc.read(descriptor, &part, part.count)
            if count < 0 { throw SystemError(number: errno) }
            if count == 0 { return String(decoding: all, as: UTF8.self) }
            all += part.prefix(count)
        }
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
}
