import OmniwayTelemetry
import OmniwayTransport

extension Inspector {
    /// Everything that lives: threads, loops, connections. 0 counts, 1 lists, 2 adds where each thread is.
    func alive(_ detail: Int) async throws -> String {
        let findings = await find()
        let threads = try await offLoop { ThreadTable.all() }
        let links = findings.loops.reduce(0) { $0 + $1.links }
        var text = "threads \(threads.count)\nloops \(loops.loops.count)\n"
        text += "tasks \(findings.loops.reduce(0) { $0 + $1.tasks })\nlinks \(links)\n"
        for inventory in inventories {
            text += "\(inventory.name) \(findings.connections.count { $0.face == inventory.name })\n"
        }
        text += findings.gaps(patience)
        guard detail > 0 else { return text }
        text += "\n" + (try await offLoop { ThreadTable.report(0) })
        text += "\n" + loopTable(findings) + "\n" + connectionTable(findings)
        if detail > 1 { text += try await offLoop { ThreadTable.stacks() } }
        return text
    }

    private func loopTable(_ findings: Findings) -> String {
        var table = TextTable("loop", "turns", "links", "descriptors", "timers", "tasks", "lingering", "most queued")
        for loop in findings.loops {
            table.add(
                "\(loop.loop)", "\(loop.turns)", "\(loop.links)", "\(loop.sources)", "\(loop.timers)", "\(loop.tasks)",
                "\(loop.lingering)", "\(loop.mostQueued)")
        }
        return table.text
    }

    /// One line for each physical connection: those that a face has told of, then all other links.
    private func connectionTable(_ findings: Findings) -> String {
        var table = TextTable("loop", "side", "id", "address", "virtual", "queued", "quiet s", "state")
        for (face, loop, record) in findings.connections {
            table.add(
                "\(loop)", "\(face) \(record.side)", record.id, "\(record.peer)", "\(record.virtual)",
                "\(record.queued)", record.quiet.inSeconds, record.session.isEmpty ? "-" : record.session)
        }
        for (loop, link) in findings.links {
            table.add(
                "\(loop)", "\(link.driver) to \(link.handler)", "\(link.id)", "\(link.peer)", "-", "\(link.queued)",
                link.quiet.inSeconds, "\(link.state)")
        }
        return table.text
    }
}
