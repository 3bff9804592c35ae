/// What the meters of one or several loops said at one moment.
public struct MeterSnapshot: Sendable {
    /// What tells one series of a family from the others.
    public struct Label: Sendable, Equatable {
        /// The label's name, the same throughout a family.
        public let name: String
        /// What it is for this series.
        public let value: String

        /// A label, to ask for a series.
        public init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }
    /// What a meter said: counters and gauges a number, histograms and summaries all their buckets.
    public enum Value: Sendable, Equatable { case number(Double), histogram(HistogramSnapshot) }
    /// One meter of a family.
    public struct Series: Sendable {
        /// In the order in which they were given.
        public let labels: [Label]
        /// What it said, of all loops together.
        public internal(set) var value: Value
    }
    /// All meters of one name.
    public struct Family: Sendable {
        /// What Prometheus calls it.
        public let name: String
        /// What it counts, in one sentence.
        public let help: String
        /// How to read the numbers.
        public let kind: MeterKind
        /// One per set of labels, in the order of their making.
        public internal(set) var series: [Series]
        /// What a summary's durations are shown in.
        public internal(set) var unit = MeterUnit.seconds
    }
    /// In the order of their making.
    public private(set) var families: [Family]

    /// A snapshot to add others to.
    public init(families: [Family] = []) { self.families = families }

    /// Adds another loop's values: equal names and labels become one series.
    public mutating func add(_ other: MeterSnapshot) {
        for family in other.families {
            guard let known = families.firstIndex(where: { $0.name == family.name }) else {
                families.append(family)
                continue
            }
            for series in family.series { families[known].add(series) }
        }
    }

    /// The value of one series, for tests and status pages.
    public func number(_ name: String, labels: [Label] = []) -> Double? {
        guard case .number(let number)? = series(name, labels)?.value else { return nil }
        return number
    }
    /// The histogram or summary of one series, for tests and status pages.
    public func histogram(_ name: String, labels: [Label] = []) -> HistogramSnapshot? {
        guard case .histogram(let histogram)? = series(name, labels)?.value else { return nil }
        return histogram
    }
    private func series(_ name: String, _ labels: [Label]) -> Series? {
        families.first { $0.name == name }?.series.first { $0.labels == labels }
    }

    /// The text format that Prometheus scrapes.
    public var prometheusText: String {
        var text = ""
        for family in families {
            text += "# HELP \(family.name) \(Self.escape(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind)\n"
            for series in family.series {
                switch series.value {
                case .number(let number): Self.line(&text, family.name, series.labels, Self.format(number))
                case .histogram(let histogram) where family.kind == .summary:
                    Self.quantiles(&text, family, series.labels, histogram)
                case .histogram(let histogram): Self.buckets(&text, family, series.labels, histogram)
                }
            }
        }
        return text
    }

    private static func buckets(
        _ text: inout String, _ family: Family, _ labels: [Label], _ histogram: HistogramSnapshot
    ) {
        var seen: UInt64 = 0
        for index in histogram.counts.indices {
            seen += histogram.counts[index]
            guard index % Histogram.steps == Histogram.steps - 1 else { continue }  // One line per doubling.
            let bound = format(family.unit.number(Histogram.upperBound(index)))
            line(&text, family.name + "_bucket", labels + [Label(name: "le", value: bound)], "\(seen)")
        }
        line(&text, family.name + "_bucket", labels + [Label(name: "le", value: "+Inf")], "\(seen)")
        total(&text, family, labels, histogram)
    }

    /// A quantile of nothing is no number.
    private static func quantiles(
        _ text: inout String, _ family: Family, _ labels: [Label], _ histogram: HistogramSnapshot
    ) {
        for rank in MeterKind.quantiles {
            let value = histogram.count == 0 ? .nan : family.unit.number(histogram.percentile(rank))
            line(&text, family.name, labels + [Label(name: "quantile", value: format(rank))], format(value))
        }
        total(&text, family, labels, histogram)
    }

    private static func total(
        _ text: inout String, _ family: Family, _ labels: [Label], _ histogram: HistogramSnapshot
    ) {
        line(&text, family.name + "_sum", labels, format(family.unit.number(histogram.sum)))
        line(&text, family.name + "_count", labels, "\(histogram.count)")
    }

    private static func line(_ text: inout String, _ name: String, _ labels: [Label], _ value: String) {
        text += name
        if !labels.isEmpty {
            text += "{" + labels.map { "\($0.name)=\"\(escape($0.value, quotes: true))\"" }.joined(separator: ",") + "}"
        }
        text += " \(value)\n"
    }

    private static func format(_ number: Double) -> String {
        if let whole = Int64(exactly: number) { return "\(whole)" }
        return number.isNaN ? "NaN" : number == .infinity ? "+Inf" : number == -.infinity ? "-Inf" : "\(number)"
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}

extension MeterSnapshot.Family {
    /// A gauge that no loop counts, known only where a snapshot is shown.
    public static func gauge(
        _ name: String, _ help: String, _ series: [(labels: KeyValuePairs<String, String>, value: Double)]
    ) -> MeterSnapshot.Family {
        MeterSnapshot.Family(
            name: name, help: help, kind: .gauge,
            series: series.map { series in
                MeterSnapshot.Series(
                    labels: series.labels.map { MeterSnapshot.Label(name: $0.key, value: $0.value) },
                    value: .number(series.value))
            })
    }

    mutating func add(_ other: MeterSnapshot.Series) {
        guard let known = series.firstIndex(where: { $0.labels == other.labels }) else {
            series.append(other)
            return
        }
        switch (series[known].value, other.value) {
        case (.number(let a), .number(let b)): series[known].value = .number(a + b)
        case (.histogram(var a), .histogram(let b)):
            a.add(b)
            series[known].value = .histogram(a)
        case (.number, .histogram), (.histogram, .number):
            preconditionFailure("meter \(name) is two different things on two loops")
        }
    }
}
