import CSystem
import Glibc
import OmniwayTelemetry
import OmniwayTransport

extension Inspector {
    /// The numbers of `lookup gc`, as the log shows them: bytes, and blocks of the pools by size as taken/free.
    struct Memory {
        var resident = "0"
        var inUse = "0"
        var free = "0"
        var pool = ""
        /// How often a pool has asked the system for a block.
        var allocations = "0"
        var silent = "-"
    }

    func memory() async -> Memory {
        let reports = await loops.ask(within: patience) { await $0.run { $0.report() } }
        let use = Self.sum(reports.compactMap { $0 })
        let silent = zip(loops.loops, reports).filter { $0.1 == nil }.map { "\($0.0.index)" }
        let allocator = mallinfo2()
        var memory = Memory()
        memory.resident = "\(Self.resident)"
        memory.inUse = "\(allocator.uordblks + allocator.hblkhd)"
        memory.free = "\(allocator.fordblks)"
        memory.pool = use.filter { $0.allocated > 0 }.map { "\(Self.name($0)):\($0.taken)/\($0.free)" }.joined(
            separator: " ")
        memory.allocations = "\(use.reduce(0) { $0 + $1.allocated })"
        if memory.pool.isEmpty { memory.pool = "-" }
        if !silent.isEmpty { memory.silent = silent.joined(separator: ",") }
        return memory
    }

    /// What holds memory. 1 lists the connections that do.
    func heap(_ detail: Int) async throws -> String {
        let findings = await find()
        var text = "resident \(Self.resident)\n" + findings.gaps(patience)
        var pools = TextTable("loop", "block", "taken", "free", "allocated", "taken bytes", "free bytes")
        for loop in findings.loops {
            for use in loop.pool where use.allocated > 0 {
                let (taken, free) = use.size.map { ("\($0 * use.taken)", "\($0 * use.free)") } ?? ("-", "-")
                pools.add(
                    "\(loop.loop)", Self.name(use), "\(use.taken)", "\(use.free)", "\(use.allocated)", taken, free)
            }
        }
        var tables = TextTable("loop", "table", "entries", "bytes")
        for loop in findings.loops {
            for table in loop.tables { tables.add("\(loop.loop)", table.name, "\(table.entries)", "\(table.bytes)") }
        }
        for (face, loop, table) in findings.tables {
            tables.add("\(loop)", "\(face) \(table.name)", "\(table.entries)", "\(table.bytes)")
        }
        let held = findings.links.reduce(0) { $0 + $1.1.held } + findings.connections.reduce(0) { $0 + $1.2.held }
        text += "\n\(pools.text)\n\(tables.text)\nheld by connections \(held)\n"
        if detail > 0 { text += "\n" + holders(findings) }
        return text + "\n" + (try await offLoop { Self.allocatorReport })
    }

    private func holders(_ findings: Findings) -> String {
        var table = TextTable("loop", "connection", "address", "held", "unread")
        for (face, loop, record) in findings.connections where record.held > 0 {
            table.add("\(loop)", "\(face) \(record.side) \(record.id)", "\(record.peer)", "\(record.held)", "-")
        }
        for (loop, link) in findings.links where link.held > 0 {
            table.add("\(loop)", "\(link.handler) \(link.id)", "\(link.peer)", "\(link.held)", "\(link.unread)")
        }
        return table.text
    }

    private static func name(_ use: PoolUse) -> String { use.size.map { "\($0)" } ?? "larger" }

    /// The same sizes of all loops together.
    private static func sum(_ reports: [LoopReport]) -> [PoolUse] {
        guard let first = reports.first else { return [] }
        return first.pool.indices.map { place in
            let same = reports.map { $0.pool[place] }
            return PoolUse(
                size: first.pool[place].size, taken: same.reduce(0) { $0 + $1.taken },
                free: same.reduce(0) { $0 + $1.free }, allocated: same.reduce(0) { $0 + $1.allocated })
        }
    }

    /// Bytes of memory that the process occupies.
    private static var resident: Int {
        let pages = PlainFile.text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static var allocatorReport: String {
        // Safe because the call gives a text of its own, which ends with a zero and is freed here.
        guard let text = unsafe csystem_malloc_report() else { return "the allocator has no room for its report\n" }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
}
