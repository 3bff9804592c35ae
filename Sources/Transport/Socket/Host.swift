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

    /// Lets go of pages of programs and libraries, which come back from the system's cache when they are used again:
    /// the start of a process runs through much code that is not needed after it. Blocks for some milliseconds.
    package static func forgetStart() {
        let maps = (try? SmallFile.read("/proc/self/maps")) ?? []  // Elsewhere than on Linux there is none.
        for mapping in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
            let words = mapping.split(separator: " ")
            // Code is never written to, so nothing is lost.
            guard words.count == 6, words[1] == "r-xp", words[5].hasPrefix("/") else { continue }
            let ends = words[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard ends.count == 2, ends[0] < ends[1], let start = unsafe UnsafeMutableRawPointer(bitPattern: ends[0])
            else { continue }
            // Safe because the pages are those of a file, and as they are there.
            _ = unsafe madvise(start, Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
    }
}
