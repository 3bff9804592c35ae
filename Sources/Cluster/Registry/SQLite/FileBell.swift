import Glibc
import OmniwayTransport

/// Where a thread sleeps until somebody rings, a file is written, or the time is over.
final class FileBell: Sendable {
    private let rings: (read: Int32, write: Int32)
    /// Nil where the system does not tell of writes, or has no more such descriptors to give.
    private let writes: Int32?

    init(_ path: String) throws(RegistryError) {
        var ends: [Int32] = [-1, -1]
        // Safe because the calls keep no pointers, and the pipe has two ends.
        guard unsafe pipe(&ends) == 0 else {
            throw RegistryError(.unavailable, "no pipe to wait at: \(SystemError(number: errno)); see `ulimit -n`")
        }
        for end in ends { _ = (fcntl(end, F_SETFL, O_NONBLOCK), fcntl(end, F_SETFD, FD_CLOEXEC)) }
        rings = (ends[0], ends[1])
        let events = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        let watch = unsafe inotify_add_watch(events, path, UInt32(IN_MODIFY))
        if events >= 0, watch < 0 { close(events) }
        writes = watch < 0 ? nil : events
    }

    deinit { for descriptor in [rings.read, rings.write] + (writes.map { [$0] } ?? []) { close(descriptor) } }

    /// Whether `wait` knows of writes.
    var hearsWrites: Bool { writes != nil }

    /// A full pipe rings already.
    func ring() { _ = unsafe write(rings.write, [1], 1) }  // Safe because there is one byte.

    /// Forgets the writes so far.
    func forgetWrites() { if let writes { Self.drain(writes) } }

    private static func drain(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // Safe because the call is told how much room there is, and keeps no pointer.
        while unsafe read(descriptor, &bytes, bytes.count) == bytes.count {}
    }

    /// Sleeps until there is something; whether the file was written. Nil is for ever.
    func wait(_ time: Duration?) -> Bool {
        let milliseconds = time.map { Int32(clamping: ($0.nanoseconds + 999_999) / 1_000_000) } ?? -1
        let descriptors = [rings.read] + (writes.map { [$0] } ?? [])
        var sources = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // Safe because the call is told how many there are, and keeps no pointers.
        guard unsafe poll(&sources, nfds_t(sources.count), milliseconds) > 0 else { return false }
        for source in sources where source.revents != 0 { Self.drain(source.fd) }
        return sources.count == 2 && sources[1].revents != 0
    }
}
