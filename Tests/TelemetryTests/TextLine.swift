/// A line of the text format taken apart again, to prove that it means what was logged and nothing else.
struct TextLine {
    private(set) var time = ""
    private(set) var level = ""
    private(set) var event = ""
    private(set) var fields: [(name: String, value: String)] = []
    private var rest: Substring.UnicodeScalarView

    init?(_ line: String) {
        rest = Substring(line).unicodeScalars
        guard let time = take("="), skip(" "), let level = take("="), skip(" "), let first = take("=")
        else { return nil }
        (self.time, self.level, event) = (time, level, first)
        while skip(" ") {
            guard let word = take("=") else { return nil }
            if skip("=") {
                guard let value = take(nil) else { return nil }
                fields.append((word, value))
            } else {
                guard fields.isEmpty else { return nil }  // The words of an event come before all fields.
                event += " " + word
            }
        }
        guard rest.isEmpty else { return nil }
    }

    private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    /// A bare word, which ends at a space or at `end`, or a quoted one.
    private mutating func take(_ end: Unicode.Scalar?) -> String? {
        if rest.first == "\"" { return unquote(&rest) }
        let word = rest.prefix { $0 != " " && $0 != end }
        rest.removeFirst(word.count)
        return String(word)
    }
}

/// Reads a string of JSON from the front of `rest`; `nil` when there is none that follows the rules.
func unquote(_ rest: inout Substring.UnicodeScalarView) -> String? {
    guard rest.popFirst() == "\"" else { return nil }
    var units: [UInt16] = []
    while let scalar = rest.popFirst() {
        switch scalar {
        case "\"": return String(validating: units, as: UTF16.self)
        case "\\":
            switch rest.popFirst() {
            case "n": units.append(10)
            case "r": units.append(13)
            case "t": units.append(9)
            case "\"": units.append(34)
            case "\\": units.append(92)
            case "u":
                let digits = String(rest.prefix(4))
                guard digits.utf8.count == 4, let unit = UInt16(digits, radix: 16) else { return nil }
                rest.removeFirst(4)
                units.append(unit)
            default: return nil
            }
        case _ where scalar.value < 0x20: return nil
        default: units += Array(scalar.utf16)
        }
    }
    return nil
}
