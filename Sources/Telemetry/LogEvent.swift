typealias LogField = (name: String, value: String)

/// What happened, as it waits for its line.
struct LogEvent: Sendable {
    let time: Timestamp
    let level: LogLevel
    let name: String
    var standing: [LogField] = []
    let fields: KeyValuePairs<String, String>

    /// About what the event occupies in memory. The standing fields do not count: all events share them.
    var size: Int {
        fields.reduce(MemoryLayout<LogEvent>.stride + name.utf8.count) { size, field in
            size + MemoryLayout<LogField>.stride + field.key.utf8.count + field.value.utf8.count
        }
    }

    /// The standing fields and then its own. Of several with one name the last counts, for readers of JSON differ.
    var allFields: [LogField] {
        let all = standing + fields.map { (name: $0.key, value: $0.value) }
        return all.indices.lazy
            .filter { index in !all[(index + 1)...].contains { $0.name == all[index].name } }
            .map { all[$0] }
    }
}
