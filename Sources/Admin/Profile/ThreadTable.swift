import CSystem
import Glibc
import OmniwayTelemetry

/// One thread of this process, as the system sees it.
struct ThreadUse: Sendable {
    let id: Int32
    let name: String
    /// Processor time in the program and in the system for it.
    let user: Duration
    let system: Duration
    /// Since the machine was started.
    let started: Duration
}

/// All threads of this process, also those that Omniway has not started.
enum ThreadTable {
    static func all() -> [ThreadUse] {
        ids().compactMap { id in parse(PlainFile.text("/proc/self/task/\(id)/stat"), id) }
    }

    /// What each thread has used since; threads that are new have used all of theirs.
    static func since(_ before: [ThreadUse]) -> [ThreadUse] {
        all().map { now in
            guard let then = before.first(where: { $0.id == now.id && $0.started == now.started }) else { return now }
            return ThreadUse(
                id: now.id, name: now.name, user: now.user - then.user, system: now.system - then.system,
                started: now.started)
        }
    }

    static func name(of id: Int32) -> String {
        String(PlainFile.text("/proc/self/task/\(id)/comm").prefix { $0 != "\n" })
    }

    private static func ids() -> [Int32] {
        // Safe because each entry is read before the next is asked for, and none after the folder is closed.
        guard let folder = unsafe opendir("/proc/self/task") else { return [] }
        defer { unsafe closedir(folder) }
        var ids: [Int32] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if let id = Int32(name) { ids.append(id) }
        }
        return ids.sorted()
    }

    /// `123 (any name) S 1 …`: the name may hold anything, brackets too.
    static func parse(_ text: String, _ id: Int32) -> ThreadUse? {
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close else { return nil }
        let numbers = text[close...].split(separator: " ").dropFirst(2).map { Int64($0) ?? 0 }
        guard numbers.count > 18 else { return nil }
        let tick = Duration.nanoseconds(1_000_000_000 / max(1, Int64(sysconf(Int32(_SC_CLK_TCK)))))
        return ThreadUse(
            id: id, name: String(text[text.index(after: open)..<close]), user: tick * Double(numbers[10]),
            system: tick * Double(numbers[11]), started: tick * Double(numbers[18]))
    }

    /// The threads, what each is for and who started it; with a detail of 1 or more also where.
    static func report(_ detail: Int) -> String {
        let threads = all()
        let known = ThreadRegister.shared.all
        var table = TextTable("id", "name", "started", "user s", "system s", "started by", "purpose")
        for thread in threads {
            let entry = known[thread.id]
            table.add(
                "\(thread.id)", thread.name, startTime(thread, entry), thread.user.inSeconds, thread.system.inSeconds,
                entry?.starter ?? "-", purpose(of: thread.id, entry))
        }
        var text = "\(threads.count) threads\n\n" + table.text
        guard detail > 0 else { return text }
        var symbolizer = Symbolizer()
        for thread in threads {
            guard let entry = known[thread.id] else { continue }
            text += "\n\(thread.id) \(thread.name) was started by \(entry.starter) at\n"
            for call in entry.calls { text += "  \(symbolizer.describe(call &- 1))\n" }
        }
        return text
    }

    static func purpose(of id: Int32, _ entry: ThreadRegister.Entry?) -> String {
        if let entry { return entry.purpose }
        return id == getpid() ? "the main thread of the program" : "not started by Omniway: Swift's pool, or a library"
    }

    private static func startTime(_ thread: ThreadUse, _ entry: ThreadRegister.Entry?) -> String {
        if let entry { return entry.started.text }
        var (now, sinceBoot) = (timespec(), timespec())
        // Safe because the calls only fill the given structures.
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        unsafe clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let booted = Duration.seconds(now.tv_sec - sinceBoot.tv_sec)
        return Timestamp(seconds: Int((booted + thread.started).components.seconds), nanoseconds: 0).text
    }

    /// Where each thread is now, innermost call first.
    static func stacks() -> String {
        var symbolizer = Symbolizer()
        let known = ThreadRegister.shared.all
        var text = ""
        for thread in all() {
            text += "\nthread \(thread.id) \(thread.name): \(purpose(of: thread.id, known[thread.id]))\n"
            var stack = csystem_stack()
            guard unsafe csystem_stack_of(thread.id, 100, &stack) else {
                text += "  it does not answer: it blocks the signal, or has ended\n"
                continue
            }
            for (place, frame) in StackCounts.Stack(stack).frames.enumerated() {
                text += "  \(symbolizer.describe(place == 0 ? frame : frame &- 1))\n"
            }
        }
        return text
    }
}
