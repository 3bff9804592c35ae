import Glibc

/// A folder whose files may be read, and nothing else: no step of a path is a link, or leads upwards.
struct FileFolder: Sendable {
    enum Found: Sendable {
        case file(OpenFile)
        /// One that is asked for without the slash at its end.
        case folder
        case nothing, busy
    }
    private let path: String
    private static let mostSteps = 64

    init(_ path: String) { self.path = path }

    /// Blocks, so not on a loop. For a folder it is the `index.html` in it.
    func open(_ asked: String) -> Found {
        var steps = asked.split(separator: "/").map { String($0) }
        guard steps.count <= Self.mostSteps, steps.allSatisfy(Self.isStep) else { return .nothing }
        let wantsFolder = asked.hasSuffix("/")
        // Safe because the call reads the path to its end.
        var here = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard here >= 0 else { return .nothing }
        let last = wantsFolder ? "index.html" : steps.popLast() ?? "index.html"
        for step in steps {
            let next = Self.step(into: step, from: here, O_DIRECTORY)
            close(here)
            guard next >= 0 else { return .nothing }
            here = next
        }
        defer { close(here) }
        let descriptor = Self.step(into: last, from: here, O_NONBLOCK)
        guard descriptor >= 0 else { return .nothing }
        var status = stat()
        // Safe because the call only fills the given structure.
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return status.st_mode & S_IFMT == S_IFDIR && !wantsFolder ? .folder : .nothing
        }
        return .file(OpenFile(descriptor, last, status))
    }

    /// Names that begin with a dot are hidden, but for the one that is there to be found (RFC 8615).
    private static func isStep(_ step: String) -> Bool {
        (!step.hasPrefix(".") || step == ".well-known") && !step.utf8.contains(0)
    }

    private static func step(into name: String, from folder: Int32, _ flags: Int32) -> Int32 {
        // Safe because the call reads the name to its end.
        unsafe openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags)
    }
}

/// A file that stays the same, whatever its name leads to later.
final class OpenFile: Sendable {
    let name: String
    let size: Int
    /// Another one when it changes.
    let tag: String
    private let descriptor: Int32

    fileprivate init(_ descriptor: Int32, _ name: String, _ status: stat) {
        (self.descriptor, self.name, size) = (descriptor, name, Int(status.st_size))
        let parts = [Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        tag = "\"" + parts.map { String($0, radix: 16) }.joined(separator: "-") + "\""
    }

    deinit { close(descriptor) }

    /// Blocks. Empty at the end, and when it cannot be read.
    func read(at offset: Int, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // Safe because no more is read than there is room for.
        let read = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, offset) }
        bytes.removeLast(count - max(0, read))
        return bytes
    }
}
