extension Settings {
    /// A file of JSON5 that sets nothing: each setting stands there as a comment, with its default and what it is for.
    public var sample: String {
        var lines = ["{"]
        for section in sections {
            let indent = section.name.isEmpty ? "    " : "        "
            if !section.name.isEmpty {
                lines += comment(section.summary, "    ") + ["    \(section.name): {"]
            }
            for (key, parameter) in section.keys {
                lines += comment(parameter.help, indent)
                lines.append("\(indent)// \(key): \(literal(of: parameter, section)),")
                lines.append("")
            }
            if lines.last == "" { lines.removeLast() }
            if !section.name.isEmpty { lines.append("    },") }
            lines.append("")
        }
        if lines.last == "" { lines.removeLast() }
        return (lines + ["}", ""]).joined(separator: "\n")
    }

    private func literal(of parameter: Parameter, _ section: SettingsSection) -> String {
        let text = section.defaults[parameter.label].map(parameter.format) ?? ""
        switch parameter.form {
        case .number, .boolean: return text
        case .word: return "\"\(text)\""
        case .list: return "[" + text.split(separator: ", ").map { "\"\($0)\"" }.joined(separator: ", ") + "]"
        }
    }

    /// Words, as many in a line as fit.
    private func comment(_ text: String, _ indent: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + word.count < 100 {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append("\(indent)// \(word)")
            }
        }
        return lines
    }
}
