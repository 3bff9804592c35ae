import Glibc

/// Files that are read at once: certificates, keys, lists. Reading blocks, so not on a loop.
enum SmallFile {
    private static let most = 16 << 20

    static func read(_ path: String) throws(TLSError) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw .unreadable(file: path, SystemError.last) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count <= most {
            var piece = [UInt8](repeating: 0, count: 64 << 10)
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .unreadable(file: path, SystemError.last) }
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
        throw .unreadable(file: path, SystemError(number: EFBIG))
    }

    /// Changes when the file does, also when it is replaced by another of the same age.
    struct Mark: Equatable {
        private let inode: UInt
        private let size: Int
        private let seconds: Int
        private let nanoseconds: Int

        /// Nil when there is no such file.
        init?(_ path: String) {
            var status = stat()
            guard unsafe stat(path, &status) == 0 else { return nil }
            (inode, size) = (UInt(status.st_ino), Int(status.st_size))
            (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        }
    }
}
