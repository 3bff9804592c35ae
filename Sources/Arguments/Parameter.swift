/// What a command knows of a flag or an argument once its type of value is left aside.
public struct Parameter: Sendable {
    /// What help and errors call it: `--loops` or `<file>`. A dash tells flags from arguments, so labels never clash.
    let label: String
    /// Every name of a flag, without dashes; an argument has none.
    let names: [String]
    let form: ValueForm
    let placeholder: String
    let help: String
    let defaultValue: (any Sendable)?
    let defaultText: String?
    /// The text that means a value.
    let format: @Sendable (any Sendable) -> String
    /// The value of a text, added to the earlier ones where the kind is a list.
    let read: @Sendable (_ text: String, _ earlier: (any Sendable)?) throws(ValueError) -> any Sendable

    init<Value>(
        label: String, names: [String] = [], kind: ValueKind<Value>, default value: Value?, placeholder: String? = nil,
        help: String
    ) {
        (self.label, self.names, self.help) = (label, names, help)
        form = kind.form
        self.placeholder = "<\(placeholder ?? kind.placeholder)>"
        defaultValue = value
        defaultText = value.map(kind.format)
        format = { value in (value as? Value).map(kind.format) ?? "" }
        read = { (text, earlier) throws(ValueError) in
            let value = try kind.parse(text)
            guard let append = kind.append, let earlier = earlier as? Value else { return value }
            return append(earlier, value)
        }
    }

    var isRequired: Bool { defaultValue == nil }
    var negatedNames: [String] { form == .boolean ? names.map { "no-\($0)" } : [] }

    /// Part of every command, so that help lists it and nothing else can take its names.
    static let help = Flag("help", .boolean, default: false, aliases: ["h"], help: "Shows this help.").parameter
}
