import OmniwayTesting
import Testing

@testable import OmniwayArguments

private let command = Command(
    "tool", summary: "Does it.", flags: [Flag("loud", .boolean, default: false, help: "Says 'more'.")],
    subcommands: [
        Command("go", summary: "Goes.", flags: [Flag("fast", .boolean, default: false, help: "Goes fast.")]),
        Command(
            "show", summary: "Shows.",
            subcommands: [Command("all", summary: "Shows all."), Command("one", summary: "Shows one.")]),
    ])

@Suite struct ReferenceTests {
    /// What bash would offer behind these words; the last of them is under the cursor.
    private func offered(behind words: [String]) async throws -> Set<String> {
        let script =
            command.completion(for: .bash) + """
                COMP_WORDS=(\(words.map { "\"\($0)\"" }.joined(separator: " ")))
                COMP_CWORD=\(words.count - 1)
                _tool tool "\(words[words.count - 1])"
                printf '%s\\n' "${COMPREPLY[@]}" done
                """
        let shell = try await TestProgram(["bash", "-euc", script]) { $0 == "done" }
        let lines = await shell.lines
        await shell.stop()
        return Set(lines.dropLast())
    }

    @Test func `bash completes commands, commands within them, and their flags`() async throws {
        #expect(try await offered(behind: ["tool", ""]) == ["go", "show", "--loud", "--help"])
        #expect(try await offered(behind: ["tool", "s"]) == ["show"])
        #expect(try await offered(behind: ["tool", "go", "--f"]) == ["--fast"])
        #expect(try await offered(behind: ["tool", "--loud", "show", ""]) == ["all", "one", "--loud", "--help"])
        #expect(try await offered(behind: ["tool", "show", "one", "--"]) == ["--loud", "--help"])
    }

    @Test func `zsh reads what bash reads, and fish has a line for each word`() {
        #expect(command.completion(for: .zsh).hasSuffix(command.completion(for: .bash)))
        let lines = command.completion(for: .fish).split(separator: "\n")
        let place = "__fish_seen_subcommand_from show; and not __fish_seen_subcommand_from all one"
        #expect(
            lines.contains(
                "complete -c tool -f -n '\(place)' -a all -d 'Shows all.'"
            ))
        #expect(lines.contains("complete -c tool -n '__fish_seen_subcommand_from go' -l loud -d 'Says \\'more\\'.'"))
    }

    @Test func `the reference has a row and the help of each command that can be run`() {
        let text = command.reference
        for path in ["tool go", "tool show all", "tool show one"] {
            #expect(text.contains("| [`\(path)`](#\(path.replacing(" ", with: "-"))) |"))
            #expect(text.contains("\n## \(path)\n"))
            #expect(text.contains("Usage: \(path) [flags]"))
        }
        #expect(!text.contains("## tool show\n"))
    }

    @Test func `a manual page begins no line with what man takes for a request`() {
        let dotted = Command("tool", summary: "Does it.", notes: ".hidden\n\nback\\slash")
        let requests = dotted.manual.split(separator: "\n").filter { $0.hasPrefix(".") }
        #expect(Set(requests.map { $0.prefix(3) }) == [".TH", ".SH", ".SS", ".nf", ".fi"])
        #expect(dotted.manual.contains("\\&.hidden\n\nback\\eslash"))
    }
}
