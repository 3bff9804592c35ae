import Glibc
package import OmniwayTransport

/// A small file for the eyes of its owner alone. Reading and writing block, so not on a loop.
package enum PrivateFile {
    private static let most = 1 << 20

    /// Nil when there is none. One that is too long is given as far as one byte beyond what is taken.
    package static func read(_ path: String) throws(SystemError) -> [UInt8]? { try readKey(path)?.bytes }

    /// The same of a key, and its rights where it is this user's and others may use it: ssh would refuse it.
    package static func readKey(_ path: String) throws(SystemError) -> (bytes: [UInt8], openRights: UInt32?)? {
        // Safe because the calls read the path to its end, and fill no more than they are told.
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemError(number: errno)
        }
        defer { close(descriptor) }
        var info = stat()
        guard unsafe fstat(descriptor, &info) == 0 else { throw SystemError(number: errno) }
        let rights = info.st_mode & 0o777
        let isOpen = info.st_uid == geteuid() && rights & 0o077 != 0
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= most {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw SystemError(number: errno) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        return (bytes, isOpen ? rights : nil)
    }

    /// Puts it there, whole or not at all, with the rights 0600.
    package static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let draft = "\(path).\(getpid())"
        do throws(SystemError) { try write(bytes, to: path, by: draft) } catch {
            unsafe unlink(draft)  // Safe because the call reads the path to its end.
            throw error
        }
    }

    private static func write(_ bytes: [UInt8], to path: String, by draft: String) throws(SystemError) {
        // Safe because the calls read the paths to their ends, and no more bytes than there are.
        unsafe unlink(draft)  // Left by an earlier process of the same number.
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = unsafe open(draft, flags, 0o600)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError(number: errno) }
            rest = rest.dropFirst(count)
        }
        // Without this a power failure could leave an empty file under the right name.
        guard fsync(descriptor) == 0, unsafe rename(draft, path) == 0 else { throw SystemError(number: errno) }
    }
}
