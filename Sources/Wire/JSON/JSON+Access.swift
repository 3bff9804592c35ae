extension JSON {
    /// The value of a member; nil when there is none, and when this is no object.
    public subscript(key: String) -> JSON? {
        if case .object(let object) = self { object[key] } else { nil }
    }

    /// An element; nil when there is none, and when this is no array.
    public subscript(index: Int) -> JSON? {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }

    /// This value, or nil for null, which most protocols take for a member that is not there.
    public var ifNotNull: JSON? { self == .null ? nil : self }

    /// True or false; anything else is an error, as for the following.
    public func bool() throws(Mismatch) -> Bool {
        guard case .bool(let value) = self else { throw .kind(kind, expected: .bool) }
        return value
    }

    /// The text of a string.
    public func string() throws(Mismatch) -> String {
        guard case .string(let value) = self else { throw .kind(kind, expected: .string) }
        return value
    }

    /// The elements of an array.
    public func array() throws(Mismatch) -> [JSON] {
        guard case .array(let value) = self else { throw .kind(kind, expected: .array) }
        return value
    }

    /// The members of an object.
    public func object() throws(Mismatch) -> Object {
        guard case .object(let value) = self else { throw .kind(kind, expected: .object) }
        return value
    }

    /// A whole number of a range. A fraction or an exponent is none, as in Go, even where it adds nothing: `1.0`.
    public func int(in range: ClosedRange<Int> = .min ... .max) throws(Mismatch) -> Int {
        let number = try number()
        guard let value = number.int64, range.contains(Int(value)) else {
            throw .number(number, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(value)
    }

    /// A whole number, as `int` has it.
    public func int64() throws(Mismatch) -> Int64 { Int64(try int()) }

    /// A whole number without a sign.
    public func uint64() throws(Mismatch) -> UInt64 {
        let number = try number()
        guard let value = number.uint64 else {
            throw .number(number, expected: "a whole number from 0 to \(UInt64.max)")
        }
        return value
    }

    /// The nearest number that the type can hold.
    public func double() throws(Mismatch) -> Double {
        let number = try number()
        guard let value = number.double else {
            throw .number(number, expected: "a number up to \(Double.greatestFiniteMagnitude)")
        }
        return value
    }

    private func number() throws(Mismatch) -> Number {
        guard case .number(let value) = self else { throw .kind(kind, expected: .number) }
        return value
    }
}
