import Glibc
import OmniwayTransport

/// Small files that others may have put there: nothing is followed, and nothing waits. Blocking, so not on a loop.
enum PlainFile {
    /// All of a file. Links are refused, and what is no file: opening a pipe would wait for its writer.
    static func read(_ path: String, atMost limit: Int) throws(DaemonFileError) -> [UInt8] {
        // Safe because the calls read the path to its end, and fill no more than they are told.
        let descriptor = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let number = errno
            if number == ENOENT { throw .missing(path) }
            // A pipe's or a socket's way to say what it is.
            if number == ELOOP || number == ENXIO { throw .notRegular(path) }
            throw .unreadable(path, SystemError(number: number))
        }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .notRegular(path)
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= limit {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .unreadable(path, SystemError(number: errno)) }
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
        throw .tooLarge(path, limit: limit)
    }

    /// A file of the system about this process, as text; empty when there is none.
    static func text(_ path: String) -> String {
        String(decoding: (try? read(path, atMost: 64 << 20)) ?? [], as: UTF8.self)
    }

    /// Puts a file there, whole or not at all. A link in its place is replaced, and not followed.
    static func write(_ bytes: [UInt8], to path: String) throws(DaemonFileError) {
        let cut = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        let draft = "\(path[..<cut]).\(path[cut...]).\(getpid())"
        do throws(SystemError) {
            let descriptor = try openNew(draft)
            defer { close(descriptor) }
            do throws(SystemError) {
                try writeAll(bytes, descriptor)
                // Safe because the calls read the paths to their ends.
                guard unsafe rename(draft, path) == 0 else { throw SystemError(number: errno) }
            } catch {
                unsafe unlink(draft)
                throw error
            }
        } catch { throw .unwritable(path, error) }
    }

    /// A new file that is nobody else's. One of that name was left by an earlier process of the same number.
    private static func openNew(_ path: String) throws(SystemError) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        for isLast in [false, true] {
            let descriptor = unsafe open(path, flags, 0o644)
            if descriptor >= 0 { return descriptor }
            guard errno == EEXIST, !isLast, unsafe unlink(path) == 0 else { break }
        }
        throw SystemError(number: errno)
    }

    private static func writeAll(_ bytes: [UInt8], _ descriptor: Int32) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError(number: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
