import CSystem
import OmniwayTelemetry
import OmniwayTransport

/// Asks the loops and the faces what they have. It runs beside them and waits for none longer than its patience.
struct Inspector: Sendable {
    let loops: EventLoops
    let inventories: [Inventory]
    let patience: Duration

    /// Most connections that a report lists.
    static let mostLines = 100_000
    /// Links that a loop is asked for at a time: some ten microseconds of its time.
    static let page = 256

    /// What was found on all loops.
    struct Findings {
        var loops: [LoopReport] = []
        /// Those that did not answer.
        var silent: Set<Int> = []
        var connections: [(face: String, loop: Int, ConnectionRecord)] = []
        var links: [(loop: Int, LinkReport)] = []
        var tables: [(face: String, loop: Int, TableRecord)] = []
        /// There is more than `mostLines`.
        var isCut = false
    }

    func find() async -> Findings {
        var findings = Findings()
        for (loop, report) in zip(loops.loops, await loops.ask(within: patience, { await $0.run { $0.report() } })) {
            guard let report else {
                findings.silent.insert(loop.index)
                continue
            }
            findings.loops.append(report)
            for inventory in inventories { await ask(inventory, loop, &findings) }
            await askLinks(loop, &findings)
        }
        return findings
    }

    private func ask(_ inventory: Inventory, _ loop: EventLoop, _ findings: inout Findings) async {
        var from: Int? = 0
        while let start = from, !findings.silent.contains(loop.index) {
            guard let page = await loop.answer(within: patience, to: { await inventory.ask($0, start) }) else {
                findings.silent.insert(loop.index)
                return
            }
            for table in page.tables { findings.tables.append((inventory.name, loop.index, table)) }
            for record in page.connections where findings.mayAdd() {
                findings.connections.append((inventory.name, loop.index, record))
            }
            // A face that goes round in circles must not hold the command.
            from = page.next.flatMap { $0 > start ? $0 : nil }
        }
    }

    private func askLinks(_ loop: EventLoop, _ findings: inout Findings) async {
        let told = Set(findings.connections.filter { $0.loop == loop.index }.map(\.2.link))
        var from: Int? = 0
        while let start = from, !findings.silent.contains(loop.index) {
            let answer = await loop.answer(within: patience) { loop in
                await loop.run { $0.linkReports(from: start, atMost: Self.page) }
            }
            guard let answer else {
                findings.silent.insert(loop.index)
                return
            }
            for link in answer.links where !told.contains(link.id) && findings.mayAdd() {
                findings.links.append((loop.index, link))
            }
            from = answer.next
        }
    }
}

extension Inspector.Findings {
    fileprivate mutating func mayAdd() -> Bool {
        let fits = connections.count + links.count < Inspector.mostLines
        if !fits { isCut = true }
        return fits
    }

    /// Lines about the loops that did not answer, and about what is left out.
    func gaps(_ patience: Duration) -> String {
        var text = ""
        for loop in silent.sorted() {
            text += "loop \(loop) is stuck: a callback has blocked it for \(patience); what it has is missing here\n"
        }
        if isCut { text += "more than \(Inspector.mostLines) connections; the others are not listed\n" }
        return text
    }
}
