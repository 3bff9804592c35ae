import CSystem
import Glibc

/// An executable, and how to start it once more.
package struct Program: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// The file of this process. Asked at the start: when the file is replaced later, the name stays.
    package static let own: Program? = {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)  // Safe because it is told what fits.
        return count > 0 ? Program(String(decoding: buffer.prefix(count), as: UTF8.self)) : nil
    }()

    /// A child that has `descriptor` as its number 3.
    package func start(
        _ arguments: [String], _ environment: [String: String], with descriptor: borrowing OwnedDescriptor
    ) throws(SystemError) -> Int32 {
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        // Safe because the texts live until the call has ended, and end with zero, as do the lists.
        var words: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
        var settings: [UnsafeMutablePointer<CChar>?] = unsafe variables.map { unsafe strdup($0) } + [nil]
        defer { unsafe (words + settings).forEach { unsafe free($0) } }
        let pid = unsafe csystem_spawn(path, &words, &settings, descriptor.number)
        if pid < 0 { throw SystemError.last }
        return pid
    }

    /// Ends a child at once, and buries it. It blocks until the child has ended.
    package static func end(_ pid: Int32) {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}  // Safe because the call fills what it is given.
    }
}
