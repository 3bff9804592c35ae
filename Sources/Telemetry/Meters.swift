/// A number that only grows. Plain: it belongs to one loop, and an exporter gets a snapshot made there.
public final class Counter {
    private var count: UInt64 = 0
    init() {}
    /// The sum of all that was added.
    public var value: UInt64 { count }
    /// Counts `amount` more.
    public func add(_ amount: UInt64) { count &+= amount }
}

/// A number that goes up and down.
public final class Gauge {
    /// Where it stands.
    public private(set) var value: Int64 = 0
    init() {}
    /// Replaces the value.
    public func set(_ value: Int64) { self.value = value }
    /// Moves the value up, or down by a negative amount.
    public func add(_ amount: Int64) { value &+= amount }
}

/// The meters of one loop. Asking for a name and labels again gives the same meter.
public final class Meters {
    /// What tells one meter from others of its name. Their order counts.
    public typealias Labels = [(name: String, value: String)]

    private enum Cell { case counter(Counter), gauge(Gauge), histogram(Histogram), read(() -> Double) }
    private struct Series {
        let labels: Labels
        let cell: Cell
    }
    private struct Family {
        let name: String
        let help: String
        let kind: MeterKind
        let unit: MeterUnit
        var series: [Series] = []
    }
    private var families: [Family] = []
    private var familyByName: [String: Int] = [:]

    /// Meters for one loop.
    public init() {}

    /// The counter of that name and labels.
    public func counter(_ name: String, _ help: String, labels: Labels = []) -> Counter {
        guard case .counter(let cell) = cell(name, help, labels, .counter, { .counter(Counter()) })
        else { mismatch(name) }
        return cell
    }

    /// The gauge of that name and labels.
    public func gauge(_ name: String, _ help: String, labels: Labels = []) -> Gauge {
        guard case .gauge(let cell) = cell(name, help, labels, .gauge, { .gauge(Gauge()) }) else { mismatch(name) }
        return cell
    }

    /// The histogram of that name and labels, for durations; the name ends in `_seconds`.
    public func histogram(_ name: String, _ help: String, labels: Labels = []) -> Histogram {
        guard case .histogram(let cell) = cell(name, help, labels, .histogram, { .histogram(Histogram()) })
        else { mismatch(name) }
        return cell
    }

    /// The same durations, shown as `MeterKind.quantiles` of all that was recorded since the start: for dashboards that
    /// expect them. Each is within 13 %.
    public func summary(
        _ name: String, _ help: String, labels: Labels = [], in unit: MeterUnit = .seconds
    ) -> Histogram {
        guard case .histogram(let cell) = cell(name, help, labels, .summary, in: unit, { .histogram(Histogram()) })
        else { mismatch(name) }
        return cell
    }

    /// A value that is read when a snapshot is made, for what is known elsewhere already.
    public func read(
        _ kind: MeterKind, _ name: String, _ help: String, labels: Labels = [], _ read: @escaping () -> Double
    ) {
        _ = cell(name, help, labels, kind, { .read(read) })
    }

    private func cell(
        _ name: String, _ help: String, _ labels: Labels, _ kind: MeterKind, in unit: MeterUnit = .seconds,
        _ make: () -> Cell
    ) -> Cell {
        let index: Int
        if let known = familyByName[name] {
            index = known
        } else {
            index = families.count
            familyByName[name] = index
            families.append(Family(name: name, help: help, kind: kind, unit: unit))
        }
        precondition(
            families[index].kind == kind && families[index].unit == unit,
            "meter \(name) is a \(families[index].kind) already")
        if let known = families[index].series.first(where: { $0.labels.elementsEqual(labels, by: ==) }) {
            return known.cell
        }
        let made = make()
        families[index].series.append(Series(labels: labels, cell: made))
        return made
    }

    private func mismatch(_ name: String) -> Never { preconditionFailure("meter \(name) is read elsewhere already") }

    /// All values of this moment, to be carried to another thread.
    public func snapshot() -> MeterSnapshot {
        MeterSnapshot(
            families: families.map { family in
                MeterSnapshot.Family(
                    name: family.name, help: family.help, kind: family.kind,
                    series: family.series.map { series in
                        MeterSnapshot.Series(
                            labels: series.labels.map { MeterSnapshot.Label(name: $0.name, value: $0.value) },
                            value: value(of: series.cell))
                    }, unit: family.unit)
            })
    }

    private func value(of cell: Cell) -> MeterSnapshot.Value {
        switch cell {
        case .counter(let counter): .number(Double(counter.value))
        case .gauge(let gauge): .number(Double(gauge.value))
        case .read(let read): .number(read())
        case .histogram(let histogram): .histogram(histogram.snapshot)
        }
    }
}

/// What a meter's numbers mean, in Prometheus' words.
public enum MeterKind: String, Sendable {
    case counter, gauge, histogram, summary

    /// What a summary shows, from 0 to 1.
    public static let quantiles = [0.7, 0.95, 0.99]
}

/// What a summary shows durations in; its name says so at its end.
public enum MeterUnit: Sendable {
    case seconds, nanoseconds

    func number(_ nanoseconds: UInt64) -> Double {
        switch self {
        case .seconds: Double(nanoseconds) / 1e9
        case .nanoseconds: Double(nanoseconds)
        }
    }
}
