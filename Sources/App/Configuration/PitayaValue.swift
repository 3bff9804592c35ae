import OmniwayWire

/// What a key of the original's configuration was given, as a file or the environment has it.
struct PitayaValue: Sendable {
    let key: String
    let value: JSON
    /// Where it stands, for errors: `config.json5:3:5`, or a variable.
    let origin: String

    // As viper reads them: a text is as good as the value that it spells.

    func duration() throws(PitayaFault) -> Duration {
        guard case .string(let text) = value, let time = GoText.duration(text), time >= .zero else {
            throw wrong(#"write a time with its unit, such as "30s", "1m30s" or "250ms""#)
        }
        return time
    }

    func bool() throws(PitayaFault) -> Bool {
        switch value {
        case .bool(let value): return value
        case .number(let number): if let value = number.double { return value != 0 }
        case .string(let text): if let value = GoText.bool(text) { return value }
        default: break
        }
        throw wrong("write true or false")
    }

    func int(in range: ClosedRange<Int>) throws(PitayaFault) -> Int {
        let found: Int? =
            switch value {
            case .number(let number): number.int64.map(Int.init)
            case .string(let text): GoText.int(text)
            default: nil
            }
        guard let found, range ~= found else {
            throw wrong(
                "write a whole number from \(range.lowerBound)"
                    + (range.upperBound == .max ? " up" : " to \(range.upperBound)"))
        }
        return found
    }

    func text() throws(PitayaFault) -> String {
        guard case .string(let text) = value else { throw wrong("write a text") }
        return text
    }

    /// Texts; in one text, with commas between them.
    func list() throws(PitayaFault) -> [String] {
        switch value {
        case .string(let text): return text.split(separator: ",").map(String.init)
        case .array(let elements):
            let texts = elements.compactMap { try? $0.string() }
            if texts.count == elements.count { return texts }
        default: break
        }
        throw wrong(#"write a list of texts, such as ["a", "b"]"#)
    }

    /// Texts by names; in a variable, as an object of JSON.
    func texts() throws(PitayaFault) -> [String: String] {
        var value = value
        if case .string(let text) = value, let read = try? JSON.Reader.json5.read(text) { value = read }
        let texts = (try? value.object())?.reduce(into: [String: String]()) { $0[$1.key] = try? $1.value.string() }
        guard let texts, texts.count == (try? value.object())?.count else {
            throw wrong(#"write an object of texts, such as { zone: "eu" }"#)
        }
        return texts
    }

    func wrong(_ advice: String) -> PitayaFault { PitayaFault("\(origin): \(key) is \(value); \(advice)") }
}

/// One thing that is wrong with a configuration.
struct PitayaFault: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
}
