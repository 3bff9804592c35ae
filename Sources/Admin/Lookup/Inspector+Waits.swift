import OmniwayTelemetry
import OmniwayTransport

extension Inspector {
    /// Where work waits. 1 lists the connections whose queues are not empty.
    func waits(_ detail: Int) async -> String {
        let findings = await find()
        var table = TextTable("loop", "of", "count", "median s", "90 %", "99 %", "99.9 %", "longest")
        for (loop, meters) in zip(loops.loops, await loops.ask(within: patience, { await $0.snapshot() })) {
            guard let meters else { continue }
            add(meters.histogram("omniway_loop_lag_seconds"), "late timers", loop.index, to: &table)
            add(meters.histogram("omniway_loop_busy_seconds"), "busy turns", loop.index, to: &table)
        }
        let (meters, _) = await loops.snapshot(within: patience)
        let closed = meters.number(
            "omniway_links_closed_total", labels: [MeterSnapshot.Label(name: "reason", value: "slow-reader")])
        let waiting = findings.connections.filter { $0.2.queued > 0 }
        let waitingLinks = findings.links.filter { $0.1.queued > 0 }
        var text = findings.gaps(patience) + table.text
        text += "\nlock waits \(LockWaits.count), together \(seconds(UInt64(LockWaits.time / .nanoseconds(1)))) s\n"
        text += "links closed as slow readers \(Int(closed ?? 0))\n"
        for loop in findings.loops { text += "loop \(loop.loop): most bytes in one queue \(loop.mostQueued)\n" }
        text += "connections with something in their queues \(waiting.count + waitingLinks.count)\n"
        guard detail > 0 else { return text }
        var queues = TextTable("loop", "connection", "address", "queued", "most")
        for (face, loop, record) in waiting {
            queues.add("\(loop)", "\(face) \(record.side) \(record.id)", "\(record.peer)", "\(record.queued)", "-")
        }
        for (loop, link) in waitingLinks {
            queues.add(
                "\(loop)", "\(link.handler) \(link.id)", "\(link.peer)", "\(link.queued)", "\(link.mostQueued)")
        }
        return text + "\n" + queues.text
    }

    private func add(_ histogram: HistogramSnapshot?, _ what: String, _ loop: Int, to table: inout TextTable) {
        guard let histogram else { return }
        table.add(
            "\(loop)", what, "\(histogram.count)", seconds(histogram.percentile(0.5)),
            seconds(histogram.percentile(0.9)), seconds(histogram.percentile(0.99)),
            seconds(histogram.percentile(0.999)), seconds(histogram.percentile(1)))
    }

    /// In seconds, to the microsecond.
    private func seconds(_ nanoseconds: UInt64) -> String {
        let micro = String(nanoseconds / 1000 % 1_000_000)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - micro.count) + micro
    }
}
