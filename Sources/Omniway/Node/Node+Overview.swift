import OmniwayAdmin
import OmniwayTelemetry

extension Node {
    /// The meters of all loops. A page that asks again knows how fast those rise that only rise.
    static func overview(of loops: EventLoops) -> AdminView {
        AdminView("overview") {
            let (meters, silent) = await loops.snapshot(within: .seconds(1))
            var rows: [AdminTable.Row] = []
            for family in meters.families {
                for series in family.series {
                    let labels = series.labels.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
                    rows.append(
                        AdminTable.Row(
                            "\(family.name) \(labels)", [family.name, labels, text(of: series.value), family.help]))
                }
            }
            return AdminReport(
                figures: [
                    ("version", Version.current), ("loops", "\(loops.loops.count)"), ("stuck loops", "\(silent.count)"),
                ], tables: [AdminTable("meters", ["name", "labels", "value", "what it is"], rows)])
        }
    }

    private static func text(of value: MeterSnapshot.Value) -> String {
        switch value {
        case .number(let number): number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
        case .histogram(let histogram): "\(histogram.count) measured"
        }
    }
}
