/// What a program may be told in a file and by variables too: flags, in one section for each part of the program.
///
/// ```swift
/// var settings = Settings(prefix: "OMNIWAY", [
///     SettingsSection("", flags: [loops]), SettingsSection("log", flags: LogFlags.all),
/// ])
/// try settings.set("log.level", ["debug"])
/// settings["log"][level]  // .debug
/// ```
///
/// A flag's key is its name without that of the section, `--log-level` is `level` in `log`; its variable is
/// `OMNIWAY_LOG_LEVEL`. What is set later counts.
public struct Settings: Sendable {
    let prefix: String
    let sections: [SettingsSection]
    private var values: [String: [String: any Sendable]] = [:]
    private var given: [String: Set<String>] = [:]

    /// A section without a name has what concerns the whole program.
    public init(prefix: String, _ sections: [SettingsSection]) {
        (self.prefix, self.sections) = (prefix, sections)
        let paths = sections.flatMap { section in section.keys.map { section.path(of: $0.key) } + [section.name] }
        precondition(Set(paths).count == paths.count, "two settings of one name among \(paths)")
        for section in sections { values[section.name] = section.defaults }
    }

    /// The values of a section, read by its flags as those of a command line are.
    public subscript(name: String) -> Invocation {
        guard let values = values[name] else { preconditionFailure("there is no section \(name)") }
        return Invocation(path: [name], values: values, givenLabels: given[name] ?? [])
    }

    /// Sets what is at `section.key`, or at `key`. Several texts are the elements of a list.
    public mutating func set(_ path: String, _ texts: [String]) throws(SettingError) {
        guard let (section, parameter) = find(path) else {
            throw SettingError("there is no setting \(path.debugDescription)" + suggestion(for: path))
        }
        guard texts.count == 1 || parameter.form == .list else {
            throw SettingError("\(path) is one value, and this are \(texts.count)")
        }
        var value: (any Sendable)?
        do throws(ValueError) {
            for text in texts { value = try parameter.read(text, value) }
        } catch { throw SettingError("\(path): \(error)") }
        values[section.name]?[parameter.label] = value ?? [String]()  // No texts are an empty list.
        given[section.name, default: []].insert(parameter.label)
    }

    /// Sets what a word such as `log.level=debug` says; the elements of a list stand between commas.
    public mutating func set(_ word: String) throws(SettingError) {
        guard let mark = word.firstIndex(of: "="), mark > word.startIndex else {
            throw SettingError("\(word.debugDescription) sets nothing; write a setting as section.key=value")
        }
        try set(String(word[..<mark]), text: String(word[word.index(after: mark)...]))
    }

    private mutating func set(_ path: String, text: String) throws(SettingError) {
        let isList = find(path)?.1.form == .list
        try set(path, isList ? text.split(separator: ",").map(String.init) : [text])
    }

    /// Sets what the variables say. Returns those that begin with the prefix, and set nothing.
    public mutating func set(from environment: [String: String]) throws(SettingError) -> [String] {
        var unknown = environment.keys.filter { $0.hasPrefix("\(prefix)_") }
        for section in sections {
            for (key, _) in section.keys {
                let (path, variable) = (section.path(of: key), variable(section, key))
                unknown.removeAll { $0 == variable }
                guard let text = environment[variable], !text.isEmpty else { continue }
                do throws(SettingError) { try set(path, text: text) } catch {
                    throw SettingError("\(variable): \(error)")
                }
            }
        }
        return unknown.sorted()
    }

    /// Sets what the flags of a command line say, where the same flags are settings.
    public mutating func set(from call: Invocation) {
        for section in sections {
            for (_, parameter) in section.keys where call.givenLabels.contains(parameter.label) {
                values[section.name]?[parameter.label] = call.values[parameter.label]
                given[section.name, default: []].insert(parameter.label)
            }
        }
    }

    /// The name of the variable, of words in capitals.
    func variable(_ section: SettingsSection, _ key: String) -> String {
        var text = section.name.isEmpty ? prefix : "\(prefix)_\(section.name.uppercased())"
        text += "_"
        for character in key {
            if character.isUppercase { text += "_" }
            text += character.uppercased()
        }
        return text
    }

    private func find(_ path: String) -> (SettingsSection, Parameter)? {
        for section in sections {
            for (key, parameter) in section.keys where section.path(of: key) == path { return (section, parameter) }
        }
        return nil
    }

    /// Throws when no section is called so.
    public func requireSection(_ name: String) throws(SettingError) {
        let names = sections.map(\.name).filter { !$0.isEmpty }
        if names.contains(name) { return }
        let near = nearest(to: name, among: names).map { ", did you mean \($0)?" }
        throw SettingError(
            "there is no section \(name.debugDescription)" + (near ?? "; there are \(names.joined(separator: ", "))"))
    }

    private func suggestion(for path: String) -> String {
        let all = sections.flatMap { section in section.keys.map { section.path(of: $0.key) } }
        if let near = nearest(to: path, among: all) { return ", did you mean \(near)?" }
        let place = path.split(separator: ".").first.map(String.init) ?? ""
        guard let section = sections.first(where: { $0.name == place && path.contains(".") }) else {
            let names = sections.map(\.name).filter { !$0.isEmpty }
            return "; sections are \(names.joined(separator: ", "))"
        }
        return "; \(place) has \(section.keys.map(\.key).joined(separator: ", "))"
    }

    /// What is set otherwise in `other`, for people: `log.level: info → debug`.
    public func changes(to other: Settings) -> [SettingChange] {
        sections.flatMap { section in
            section.keys.compactMap { key, parameter in
                let (old, new) = (text(section, parameter), other.text(section, parameter))
                return old == new ? nil : SettingChange(path: section.path(of: key), from: old, to: new)
            }
        }
    }

    func text(_ section: SettingsSection, _ parameter: Parameter) -> String {
        values[section.name]?[parameter.label].map(parameter.format) ?? ""
    }
}

/// The flags of one part of a program.
public struct SettingsSection: Sendable {
    public let name: String
    let summary: String
    /// In their order, under their keys.
    let keys: [(key: String, parameter: Parameter)]
    let defaults: [String: any Sendable]

    /// `defaults` are texts for flags whose own default is for another command, by the flag's name.
    public init(
        _ name: String, summary: String = "", flags: [any AnyFlag], defaults: [String: [String]] = [:]
    ) {
        (self.name, self.summary) = (name, summary)
        keys = flags.map(\.parameter).map { (Self.key(of: $0.names[0], in: name), $0) }
        var values: [String: any Sendable] = [:]
        for (_, parameter) in keys {
            var value = parameter.defaultValue
            if let texts = defaults[parameter.names[0]] {
                value = texts.reduce(nil as (any Sendable)?) { value, text in try? parameter.read(text, value) }
                precondition(value != nil, "\(texts) cannot be the default of \(parameter.label)")
            }
            values[parameter.label] = value
        }
        self.defaults = values
    }

    func path(of key: String) -> String { name.isEmpty ? key : "\(name).\(key)" }

    /// `log-level` is `level` in `log`, and `max-packet` is `maxPacket` everywhere.
    private static func key(of flag: String, in section: String) -> String {
        var words = flag.split(separator: "-")
        if words.count > 1, words.first.map(String.init) == section { words.removeFirst() }
        return words.enumerated()
            .map { index, word in index == 0 ? String(word) : word.prefix(1).uppercased() + word.dropFirst() }
            .joined()
    }
}

/// A setting that has another value now.
public struct SettingChange: Sendable, Equatable, CustomStringConvertible {
    public let path: String
    let from: String
    let to: String
    public var description: String { "\(path): \(from.isEmpty ? "nothing" : from) → \(to.isEmpty ? "nothing" : to)" }
}

/// A setting that is not there, or has a wrong value. It says what to write instead.
public struct SettingError: Error, Equatable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
