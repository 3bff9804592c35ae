/// The header fields of a message, in their order. Names are found whatever their case is.
///
/// All names and values lie in one block of bytes, so a head costs two allocations however many fields it has.
public struct HTTPHeaders: Sendable {
    /// Where one field is in `bytes`.
    struct Field {
        var nameStart: UInt32
        var nameEnd: UInt32
        var valueStart: UInt32
        var valueEnd: UInt32

        var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
        var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    }

    var bytes: [UInt8] = []
    var fields: [Field] = []

    public init() {}

    public var count: Int { fields.count }
    public var isEmpty: Bool { fields.isEmpty }

    // MARK: Looking up

    /// The value of the first field of that name. Setting replaces all of them; nil removes them.
    public subscript(name: String) -> String? {
        get { index(of: name).map { text(fields[$0].value) } }
        set {
            remove(name)
            if let newValue { add(name, newValue) }
        }
    }

    public func contains(_ name: String) -> Bool { index(of: name) != nil }

    /// The values of all fields of that name, in their order.
    public func values(of name: String) -> [String] {
        fields.filter { isName(of: $0, name) }.map { text($0.value) }
    }

    // MARK: Changing

    /// Appends a field. One that cannot be written, because of a line break in it for example, is refused when the head
    /// is.
    public mutating func add(_ name: String, _ value: String) {
        let start = UInt32(bytes.count)
        bytes.append(contentsOf: name.utf8)
        let middle = UInt32(bytes.count)
        bytes.append(contentsOf: value.utf8)
        fields.append(Field(nameStart: start, nameEnd: middle, valueStart: middle, valueEnd: UInt32(bytes.count)))
    }

    public mutating func remove(_ name: String) { fields = fields.filter { !isName(of: $0, name) } }

    /// Keeps its memory, for the next head.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
    }

    // MARK: Bytes

    func index(of name: String) -> Int? { fields.firstIndex { isName(of: $0, name) } }

    func isName(of field: Field, _ name: String) -> Bool { isEqual(field.name, name) }

    /// Compares bytes with text, without regard to the case of letters.
    func isEqual(_ range: Range<Int>, _ text: String) -> Bool {
        let text = text.utf8.span
        guard range.count == text.count else { return false }
        for index in text.indices
        where HTTPCharacters.lowercase(bytes[range.lowerBound + index]) != HTTPCharacters.lowercase(text[index]) {
            return false
        }
        return true
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }
}

extension HTTPHeaders: Sequence {
    /// Each field as text, in their order.
    public func makeIterator() -> some IteratorProtocol<(name: String, value: String)> {
        fields.lazy.map { (name: text($0.name), value: text($0.value)) }.makeIterator()
    }
}

extension HTTPHeaders: Equatable {
    /// The same fields in the same order; the case of names does not count.
    public static func == (a: HTTPHeaders, b: HTTPHeaders) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a.fields, b.fields).allSatisfy { one, other in
            a.bytes[one.value] == b.bytes[other.value] && b.isName(of: other, a.text(one.name))
        }
    }
}

extension HTTPHeaders: CustomStringConvertible {
    public var description: String { map { "\($0.name): \($0.value)" }.joined(separator: "\n") }
}
