import Omniway

/// Rules for people.
enum TunnelTable {
    static func text(of answer: JSON) -> String {
        switch answer {
        case .array(let rules): rules.isEmpty ? "no rules" : table(rules.map(row))
        default:
            if let address = word(answer, "ListenAddr").ifNotEmpty {
                "\(address) leads to \(word(answer, "TargetAddr")) of \(word(answer, "TargetTunnelId"))"
            } else if let address = word(answer, "deleted").ifNotEmpty {
                "\(address) is gone"
            } else {
                "\(word(answer, "kicked")) is let go"
            }
        }
    }

    private static let head = ["", "LISTENS AT", "LISTENER", "TARGET", "OF", "TARGET'S CLIENT", "STATE"]

    private static func row(_ rule: JSON) -> [String] {
        let listener = word(rule, "ListenClientId")
        return [
            word(rule, "Direction"), word(rule, "ListenAddr"), listener.isEmpty ? "node" : listener,
            word(rule, "TargetAddr"), word(rule, "TargetTunnelId"), word(rule, "TargetClientId"), state(of: rule),
        ]
    }

    static func state(of rule: JSON) -> String {
        let port = word(rule, "Port")
        if !port.isEmpty, port != "open" { return port }
        return rule["TargetOnline"] == .bool(true) ? "ready" : "target offline"
    }

    static func word(_ json: JSON, _ name: String) -> String {
        if case .string(let text)? = json[name] { BodyText.harmless(text) } else { "" }
    }

    private static func table(_ rows: [[String]]) -> String {
        let rows = [head] + rows
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row.dropLast(), widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
                .joined(separator: "  ") + "  " + row[row.count - 1]
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var ifNotEmpty: String? { isEmpty ? nil : self }
}
