import CSystem
import Glibc
import OmniwayTransport

/// Makes connections of every kind and ends them, thousands of times, and looks at what is left of them.
@main
struct CycleBenchmark {
    nonisolated static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000
        let loop = EventLoop()
        var isClean = true
        for kind in try await Kind.all(on: loop) {
            // What pools, tables and caches keep for good is there after some.
            _ = await kind.run(count / 10, on: loop)
            let before = await Footprint(of: loop)
            let took = await kind.run(count, on: loop)
            let after = await Footprint(of: loop)
            let isWhole = await kind.outcomes(on: loop) == UInt64(count / 10 + count)
            let isKindClean = after.isNoMore(than: before, cycles: count) && isWhole
            isClean = isClean && isKindClean
            print(
                """
                \(kind.name.padded(to: 44)) \(count) cycles, \(Int(took / .microseconds(count))) µs each   \
                descriptors \(before.descriptors) → \(after.descriptors)   links \(before.links) → \(after.links)   \
                heap \(before.heap >> 10) → \(after.heap >> 10) KiB   \
                \(isKindClean ? "clean" : isWhole ? "LEFT SOMETHING" : "WENT OTHERWISE")
                """)
        }
        await loop.shutdown()
        exit(isClean ? 0 : 1)
    }
}

/// What the process holds.
private struct Footprint {
    let descriptors: Int
    let links: Int
    let heap: Int

    init(of loop: EventLoop) async {
        links = await loop.run { $0.linkCount }
        // A socket outlives its link until the peer has finished too.
        var (last, count) = (Int.max, Self.openDescriptors)
        while count < last {
            try? await Task.sleep(for: .milliseconds(50))
            (last, count) = (count, Self.openDescriptors)
        }
        descriptors = count
        heap = Int(mallinfo2().uordblks)
    }

    private static var openDescriptors: Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        return count
    }

    /// Less than a byte for each cycle is a table that grew, and not something that was forgotten each time.
    func isNoMore(than before: Footprint, cycles: Int) -> Bool {
        descriptors <= before.descriptors && links <= before.links && heap - before.heap < max(cycles, 64 << 10)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
