/// A wrong command line. It says what is wrong, with which value, and what to do next.
public struct UsageError: Error, Equatable, CustomStringConvertible {
    enum Problem: Equatable {
        case unknownFlag(String, near: String?)
        case unknownCommand(String, near: String?)
        case missingCommand(among: [String])
        case missingValue(flag: String, placeholder: String)
        case dashedValue(flag: String, String)
        case unwantedValue(flag: String)
        case repeatedFlag(String, String)
        case badValue(of: String, ValueError)
        case missingArgument(String)
        case unwantedArgument(String)
    }

    let problem: Problem
    /// The whole name of the command that was read last, such as `omniway up`.
    let command: String

    /// One line for people, which ends with where to read more.
    public var description: String { "\(message) (see `\(command) --help`)" }

    private var message: String {
        switch problem {
        case .unknownFlag(let flag, let near):
            "unknown flag \(flag)" + question(near)
        case .unknownCommand(let name, let near):
            "unknown command \(name.debugDescription)" + question(near)
        case .missingCommand(let names):
            "`\(command)` needs a command; write one of \(names.joined(separator: ", "))"
        case .missingValue(let flag, let placeholder):
            "\(flag) needs a value; write \(flag) \(placeholder)"
        case .dashedValue(let flag, let next):
            "\(flag) needs a value, and \(next) looks like a flag; write \(flag)=\(next) if it is the value"
        case .unwantedValue(let flag):
            "\(flag) takes no value; write the flag alone"
        case .repeatedFlag(let flag, let value):
            "\(flag) is given twice, now as \(value.debugDescription); keep one of them"
        case .badValue(let label, let error):
            "\(label): \(error)"
        case .missingArgument(let label):
            "missing \(label); add it after the flags"
        case .unwantedArgument(let word):
            "unexpected argument \(word.debugDescription); leave it out"
        }
    }

    private func question(_ near: String?) -> String { near.map { ", did you mean \($0)?" } ?? "" }
}
