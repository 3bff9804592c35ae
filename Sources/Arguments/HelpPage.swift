/// What `--help` prints for one command.
struct HelpPage {
    let command: Command
    let path: [String]
    let flags: [Parameter]
    private let width = 100
    /// Longer names stand on a line of their own, so that one of them does not push all sentences to the right.
    private let widestName = 36

    var text: String {
        let commands = command.subcommands.map { (name: $0.name, words: words(of: $0.summary)) }
        let arguments = command.arguments.map { (name: $0.label, words: words(of: $0.help) + remarks(on: $0)) }
        let flags = flags.map { (name: name(of: $0), words: words(of: $0.help) + remarks(on: $0)) }
        return [
            filled("Usage: " + usage), filled(command.summary),
            table("Commands:", commands), table("Arguments:", arguments), table("Flags:", flags),
            notes,
        ].filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// Prose fills the width, wherever its lines end in the source; empty and indented lines stay as they are.
    private var notes: String {
        var (notes, prose): ([String], [Substring]) = ([], [])
        for line in (command.notes + "\n").split(separator: "\n", omittingEmptySubsequences: false) {
            if let first = line.first, first != " " {
                prose.append(line)
                continue
            }
            if !prose.isEmpty { notes.append(filled(prose.joined(separator: " "))) }
            prose = []
            notes.append(String(line))
        }
        return notes.dropLast().joined(separator: "\n")
    }

    private var usage: String {
        let arguments = command.arguments.map { argument in
            let name = argument.label + (argument.form == .list ? "..." : "")
            return argument.isRequired ? name : "[\(name)]"
        }
        let rest = command.subcommands.isEmpty ? arguments : ["<command>"]
        return (path + ["[flags]"] + rest).joined(separator: " ")
    }

    private func name(of flag: Parameter) -> String {
        switch flag.form {
        case .word, .number: "\(flag.label) \(flag.placeholder)"
        case .list: "\(flag.label) \(flag.placeholder)..."
        case .boolean: flag.defaultText == "true" ? "--[no-]\(flag.names[0])" : flag.label
        }
    }

    /// What follows the sentence; an empty or false default goes without saying.
    private func remarks(on parameter: Parameter) -> [String] {
        var remarks: [String] = []
        if let text = parameter.defaultText, !text.isEmpty, text != "false" { remarks.append("(default \(text))") }
        let aliases = parameter.names.dropFirst().map { alias in
            // Go's names are capitalised and, as single letters, have one dash by custom.
            (alias.count == 1 || alias.first?.isUppercase == true ? "-" : "--") + alias
        }
        if !aliases.isEmpty { remarks.append("(also \(aliases.joined(separator: ", ")))") }
        return remarks
    }

    private func table(_ title: String, _ rows: [(name: String, words: [String])]) -> String {
        if rows.isEmpty { return "" }
        let indent = 4 + (rows.map(\.name.count).filter { $0 <= widestName }.max() ?? 0)
        return ([title] + rows.flatMap { self.rows($0.name, $0.words, indent: indent) }).joined(separator: "\n")
    }

    private func rows(_ name: String, _ words: [String], indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        let lines = lines(of: words, width: width - indent).map { margin + $0 }
        let heading = "  " + name
        guard heading.count + 2 <= indent, let first = lines.first else { return [heading] + lines }
        return [heading + first.dropFirst(heading.count)] + lines.dropFirst()
    }

    private func filled(_ text: String) -> String {
        lines(of: words(of: text), width: width).joined(separator: "\n")
    }

    private func words(of text: String) -> [String] { text.split(separator: " ").map { String($0) } }

    private func lines(of words: [String], width: Int) -> [String] {
        var lines: [String] = []
        for word in words {
            if let line = lines.last, line.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(line) \(word)"
            } else {
                lines.append(word)
            }
        }
        return lines
    }
}
