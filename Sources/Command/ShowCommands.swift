import OmniwayArguments

/// `omniway completion` and `omniway manual`: what is known of all commands, for shells and for `man`.
enum ShowCommands {
    private static let shell = Argument(
        "shell", .choice as ValueKind<Command.Shell>, help: "The shell that is to read it: bash, zsh or fish.")
    private static let isMarkdown = Flag(
        "markdown", .boolean, default: false, help: "As the page docs/commands.md, instead of one for man.")

    static let completion = Command(
        "completion", summary: "Prints a script with which a shell completes commands and flags.",
        notes: "For bash: source <(omniway completion bash)", arguments: [shell])
    static let manual = Command(
        "manual", summary: "Prints the page of `man omniway`.", notes: "omniway manual | man -l -", flags: [isMarkdown])

    static func complete(_ call: Invocation) -> ExitCode {
        print(Main.command.completion(for: call[shell]), terminator: "")
        return .success
    }

    static func showManual(_ call: Invocation) -> ExitCode {
        print(call[isMarkdown] ? Main.command.reference : Main.command.manual, terminator: "")
        return .success
    }
}
