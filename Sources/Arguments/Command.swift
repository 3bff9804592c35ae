/// A command as a value: what it is called, what it accepts, and which commands it contains.
///
/// A command's flags also hold in its subcommands, before or after their names. Mistakes in a description, such as
/// two flags with one name, stop the program when the value is made.
public struct Command: Sendable {
    let name: String
    let summary: String
    let notes: String
    let flags: [Parameter]
    let arguments: [Parameter]
    let subcommands: [Command]

    /// A command takes either subcommands, and then needs one of them, or arguments.
    ///
    /// `summary` is one sentence, `notes` is what the help says below everything else.
    public init(
        _ name: String, summary: String, notes: String = "", flags: [any AnyFlag] = [],
        arguments: [any AnyArgument] = [], subcommands: [Command] = []
    ) {
        (self.name, self.summary, self.notes) = (name, summary, notes)
        self.flags = flags.map(\.parameter)
        self.arguments = arguments.map(\.parameter)
        self.subcommands = subcommands
        requireClearArguments()
        requireDistinctNames(beside: [.help])
    }

    /// What a command line asks for.
    public enum Outcome: Sendable {
        /// Run the command that the invocation names.
        case run(Invocation)
        /// Print this text and exit with success.
        case help(String)
    }

    /// Reads the words after the program's name.
    public func parse(_ words: some Sequence<String>) throws(UsageError) -> Outcome {
        var parser = Parser(of: self, reading: words)
        return try parser.parse()
    }

    func subcommand(named name: String) -> Command? { subcommands.first { $0.name == name } }

    /// Words are dealt to the arguments in order, so nothing may follow a list, nor a required argument an optional
    /// one.
    private func requireClearArguments() {
        precondition(subcommands.isEmpty || arguments.isEmpty, "\(name) has both subcommands and arguments")
        for (argument, next) in zip(arguments, arguments.dropFirst()) {
            precondition(argument.form != .list, "\(name) has arguments after the list \(argument.label)")
            precondition(
                argument.isRequired || !next.isRequired,
                "\(name) requires \(next.label) behind \(argument.label), which it does not require")
        }
    }

    private func requireDistinctNames(beside outerFlags: [Parameter]) {
        let flags = outerFlags + self.flags
        for names in [flags.flatMap(\.names), arguments.map(\.label), subcommands.map(\.name)] {
            precondition(Set(names).count == names.count, "\(name) has two of one name among \(names)")
        }
        for subcommand in subcommands { subcommand.requireDistinctNames(beside: flags) }
    }
}
