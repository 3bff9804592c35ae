import OmniwayAdmin
import OmniwayTelemetry
import OmniwayTransport

extension Node {
    /// The loops and their meters. A page that asks again knows how fast those rise that only rise.
    static func overview(of loops: EventLoops) -> AdminView {
        AdminView("overview") {
            let (meters, silent) = await loops.snapshot(within: .seconds(1))
            var (numbers, latencies, reasons): ([AdminTable.Row], [AdminTable.Row], [AdminTable.Row]) = ([], [], [])
            for family in meters.families {
                for series in family.series {
                    let labels = series.labels.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
                    let key = "\(family.name) \(labels)"
                    switch series.value {
                    case .number(let number):
                        let cells = [family.name, labels, text(of: number), family.help]
                        numbers.append(AdminTable.Row(key, cells))
                        if family.name == "omniway_links_closed_total", let reason = series.labels.first?.value {
                            reasons.append(AdminTable.Row(reason, [reason, text(of: number)]))
                        }
                    case .histogram(let times) where times.count > 0:
                        latencies.append(AdminTable.Row(key, [family.name, labels] + times.cells))
                    case .histogram: break
                    }
                }
            }
            return AdminReport(
                figures: [
                    ("version", Version.current), ("loops", "\(loops.loops.count)"), ("stuck loops", "\(silent.count)"),
                ],
                tables: [
                    await table(of: loops),
                    AdminTable("close reasons", ["reason", "count"], reasons),
                    AdminTable("latencies", ["name", "labels"] + HistogramSnapshot.columns, latencies),
                    AdminTable("meters", ["name", "labels", "value", "what it is"], numbers),
                ])
        }
    }

    private static func table(of loops: EventLoops) async -> AdminTable {
        let reports = await loops.ask(within: .seconds(1)) { await $0.run { $0.report() } }
        let rows = reports.compactMap { $0 }.map { loop in
            AdminTable.Row(
                "\(loop.loop)",
                [
                    "\(loop.loop)", "\(loop.turns)", "\(loop.links)", "\(loop.timers)", "\(loop.tasks)",
                    "\(loop.mostQueued)",
                ])
        }
        return AdminTable("loops", ["loop", "turns", "links", "timers", "tasks", "most queued"], rows)
    }

    private static func text(of number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
    }
}

extension HistogramSnapshot {
    static let columns = ["measured", "median", "99 %", "longest"]

    /// Durations as a person reads them.
    var cells: [String] {
        ["\(count)"]
            + [0.5, 0.99, 1].map { rank in
                let microseconds = percentile(rank) / 1000
                let rest = String(microseconds % 1000)
                return "\(microseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest + " ms"
            }
    }
}
