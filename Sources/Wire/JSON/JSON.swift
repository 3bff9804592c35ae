/// A JSON value. Objects keep the order of their members, and numbers their digits, so what was read can be written
/// again byte for byte, white space and escapes aside.
///
/// ```swift
/// let greeting: JSON = ["name": "luda", "ports": [1, 2.5], "data": .null]
/// greeting["ports"]?[0]  // 1
/// ```
public enum JSON: Sendable {
    case null
    case bool(Bool)
    case number(Number)
    case string(String)
    case array([JSON])
    case object(Object)

    /// A whole number.
    public init(_ value: Int) { self = .number(Number(value)) }
    /// A whole number.
    public init(_ value: UInt64) { self = .number(Number(value)) }
    /// A number with the fewest digits that read back as the same.
    public init(_ value: Double) { self = .number(Number(value)) }
}

extension JSON: Equatable {
    /// Texts are equal when their bytes are, unlike Swift's strings: two spellings of "é" are two keys to every peer.
    /// Numbers are equal when their literals are: `1.0` is not `1`.
    public static func == (a: JSON, b: JSON) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): false
        }
    }
}

extension JSON: CustomStringConvertible {
    /// The compact text.
    public var description: String { String(decoding: Writer().bytes(of: self), as: UTF8.self) }
}

// Not by `nil`, which would be ambiguous: a member that is null is not a member that is missing.
extension JSON: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self.init(value) }
    public init(floatLiteral value: Double) { self.init(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// No key may stand twice.
    public init(dictionaryLiteral members: (String, JSON)...) { self = .object(Object(members)) }
}

extension String {
    /// Swift's own comparison also calls different spellings of a character equal.
    func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
