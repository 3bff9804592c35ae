import CSystem
import Glibc

/// This machine.
package enum Host {
    /// Somebody, such as chrony, keeps its clock right.
    package static var clockIsKept: Bool { csystem_clock_is_kept() }

    /// What it calls itself; empty where it has no name.
    package static var name: String {
        var bytes = [CChar](repeating: 0, count: 256)
        // Safe because the call is told the size; the last byte stays zero.
        guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
