/// Reads one command line from left to right.
struct Parser {
    private var command: Command
    private var path: [String]
    private var flags: [Parameter]
    private var arguments: ArraySlice<Parameter>
    private var words: ArraySlice<String>
    private var values: [String: any Sendable] = [:]

    init(of command: Command, reading words: some Sequence<String>) {
        self.command = command
        path = [command.name]
        flags = command.flags + [.help]
        arguments = command.arguments[...]
        self.words = Array(words)[...]
    }

    mutating func parse() throws(UsageError) -> Command.Outcome {
        var flagsEnded = false
        while let word = words.popFirst() {
            if flagsEnded || !word.looksLikeFlag {
                if word == "help" && command.arguments.isEmpty { return help() }
                try readPlain(word)
            } else if word == "--" {
                flagsEnded = true
            } else {
                let name = String(word.prefix { $0 != "=" })
                if Parameter.help.names.contains(name.withoutDashes) { return help() }
                try readFlag(name, value: name.count < word.count ? String(word.dropFirst(name.count + 1)) : nil)
            }
        }
        return .run(try finish())
    }

    /// Help cannot fail, and may stand before the commands it is about: `omniway help up`.
    private mutating func help() -> Command.Outcome {
        while let next = words.popFirst().flatMap(command.subcommand(named:)) { enter(next) }
        return .help(HelpPage(command: command, path: path, flags: flags).text)
    }

    private mutating func enter(_ subcommand: Command) {
        command = subcommand
        path.append(subcommand.name)
        flags = subcommand.flags + flags
        arguments = subcommand.arguments[...]
    }

    private mutating func readPlain(_ word: String) throws(UsageError) {
        if let subcommand = command.subcommand(named: word) {
            enter(subcommand)
        } else if !command.subcommands.isEmpty {
            throw error(.unknownCommand(word, near: nearest(to: word, among: command.subcommands.map(\.name))))
        } else if let argument = arguments.first {
            try store(word, for: argument)
            if argument.form != .list { arguments.removeFirst() }
        } else {
            throw error(.unwantedArgument(word))
        }
    }

    /// `value` is what the word has behind its `=`.
    private mutating func readFlag(_ name: String, value: String?) throws(UsageError) {
        let bareName = name.withoutDashes
        if let flag = flags.first(where: { $0.names.contains(bareName) }) {
            try store(text(for: flag, joined: value), for: flag)
        } else if let flag = flags.first(where: { $0.negatedNames.contains(bareName) }) {
            guard value == nil else { throw error(.unwantedValue(flag: name)) }
            try store("false", for: flag)
        } else {
            throw error(.unknownFlag(name, near: nearestFlag(to: bareName)))
        }
    }

    /// A forgotten value must not swallow the next flag.
    private mutating func text(for flag: Parameter, joined value: String?) throws(UsageError) -> String {
        if let value { return value }
        if flag.form == .boolean { return "true" }
        guard let next = words.first else {
            throw error(.missingValue(flag: flag.label, placeholder: flag.placeholder))
        }
        guard !next.looksLikeFlag || flag.form == .number && next.dropFirst().allSatisfy(\.isWholeNumber) else {
            throw error(.dashedValue(flag: flag.label, next))
        }
        words.removeFirst()
        return next
    }

    private mutating func store(_ text: String, for parameter: Parameter) throws(UsageError) {
        let earlier = values[parameter.label]
        guard earlier == nil || parameter.form == .list else { throw error(.repeatedFlag(parameter.label, text)) }
        do throws(ValueError) {
            values[parameter.label] = try parameter.read(text, earlier)
        } catch {
            throw self.error(.badValue(of: parameter.label, error))
        }
    }

    private func finish() throws(UsageError) -> Invocation {
        guard command.subcommands.isEmpty else {
            throw error(.missingCommand(among: command.subcommands.map(\.name)))
        }
        var all = values
        for parameter in flags + arguments where all[parameter.label] == nil {
            guard let value = parameter.defaultValue else { throw error(.missingArgument(parameter.label)) }
            all[parameter.label] = value
        }
        return Invocation(path: Array(path.dropFirst()), values: all, givenLabels: Set(values.keys))
    }

    /// Aliases are compared too, but the main name is what people should learn.
    private func nearestFlag(to name: String) -> String? {
        let near = nearest(to: name, among: flags.flatMap(\.names))
        return flags.first { $0.names.contains { $0 == near } }?.label
    }

    private func error(_ problem: UsageError.Problem) -> UsageError {
        UsageError(problem: problem, command: path.joined(separator: " "))
    }
}

extension String {
    /// A dash alone is a word: many programs read it as "standard input".
    fileprivate var looksLikeFlag: Bool { hasPrefix("-") && count > 1 }
    fileprivate var withoutDashes: String { String(dropFirst(hasPrefix("--") ? 2 : 1)) }
}
