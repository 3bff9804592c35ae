extension Command {
    /// This command and all in it, each with the words that lead to it and the flags that it takes.
    private func walk(_ path: [String] = [], _ outer: [Parameter] = []) -> [(
        path: [String], command: Command, flags: [Parameter]
    )] {
        let (path, flags) = (path + [name], flags + outer)
        return [(path, self, flags)] + subcommands.flatMap { $0.walk(path, flags) }
    }

    /// A page of Markdown: a table of all commands, and the help of each.
    public var reference: String {
        let all = walk().filter { $0.command.subcommands.isEmpty }
        var lines = ["| Command | What it does |", "| --- | --- |"]
        lines += all.map { path, command, _ in
            let words = path.joined(separator: " ")
            return "| [`\(words)`](#\(path.joined(separator: "-"))) | \(command.summary) |"
        }
        for (path, command, flags) in all {
            let page = HelpPage(command: command, path: path, flags: flags + [.help])
            lines += ["", "## \(path.joined(separator: " "))", "", "```text", page.text, "```"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A page for `man`.
    public var manual: String {
        func plain(_ text: String) -> String {
            text.split(separator: "\n", omittingEmptySubsequences: false)
                .map { line in
                    let escaped = line.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
                    return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
                }
                .joined(separator: "\n")
        }
        var lines = [".TH \(name.uppercased()) 1", ".SH NAME", "\(name) \\- \(plain(summary))", ".SH COMMANDS"]
        for (path, command, flags) in walk() where command.subcommands.isEmpty {
            let page = HelpPage(command: command, path: path, flags: flags + [.help])
            lines += [".SS \(path.joined(separator: " "))", ".nf", plain(page.text), ".fi"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The shells that completions can be written for.
    public enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

    /// A script that completes the names of commands and flags. A shell reads it when it starts.
    public func completion(for shell: Shell) -> String {
        switch shell {
        case .bash: bashCompletion
        case .zsh: "autoload -U +X bashcompinit && bashcompinit\n" + bashCompletion
        case .fish: fishCompletion
        }
    }

    private var bashCompletion: String {
        let all = walk()
        let enters = all.dropFirst().map { "\"\($0.path.dropFirst().joined(separator: " "))\"" }
        var lines = [
            "_\(name)() {", "    local path=\"\" word", "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do",
            "        case \"${path:+$path }$word\" in",
            "        \(enters.joined(separator: " | "))) path=\"${path:+$path }$word\" ;;", "        esac", "    done",
            "    case \"$path\" in",
        ]
        for (path, command, flags) in all {
            let words = command.subcommands.map(\.name) + flags.map(\.label) + [Parameter.help.label]
            let place = path.dropFirst().joined(separator: " ")
            lines.append("    \"\(place)\") COMPREPLY=($(compgen -W \"\(words.joined(separator: " "))\" -- \"$2\")) ;;")
        }
        return (lines + ["    esac", "}", "complete -o default -F _\(name) \(name)", ""]).joined(separator: "\n")
    }

    private var fishCompletion: String {
        func quoted(_ text: String) -> String {
            "'" + text.flatMap { $0 == "'" || $0 == "\\" ? ["\\", $0] : [$0] } + "'"
        }
        var lines: [String] = []
        for (path, command, flags) in walk() {
            let words = path.dropFirst()
            let inner = command.subcommands.map(\.name)
            var place = words.map { "__fish_seen_subcommand_from \($0)" }.joined(separator: "; and ")
            if !inner.isEmpty {
                place +=
                    (place.isEmpty ? "" : "; and ") + "not __fish_seen_subcommand_from \(inner.joined(separator: " "))"
            }
            for subcommand in command.subcommands {
                lines.append(
                    "complete -c \(name) -f -n \(quoted(place)) -a \(subcommand.name) -d \(quoted(subcommand.summary))")
            }
            for flag in flags {
                lines.append("complete -c \(name) -n \(quoted(place)) -l \(flag.names[0]) -d \(quoted(flag.help))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
