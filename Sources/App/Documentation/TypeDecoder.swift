/// A decoder without anything to decode. It makes values up, and notes what it is asked for.
struct TypeDecoder: Decoder {
    let note: TypeNote
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        note.beginObject()
        return KeyedDecodingContainer(Fields<Key>(note: note))
    }
    func unkeyedContainer() -> any UnkeyedDecodingContainer { Elements(note: note) }
    func singleValueContainer() -> any SingleValueDecodingContainer { Single(note: note) }
}

private struct Fields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let note: TypeNote
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }
    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try note.field(key.stringValue).value(of: type)
    }
    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) -> Value? {
        note.field(key.stringValue).look(at: type)
    }
    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedDecodingContainer<Nested> {
        TypeDecoder(note: note.field(key.stringValue)).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer {
        Elements(note: note.field(key.stringValue))
    }
    func superDecoder() -> any Decoder { TypeDecoder(note: note.field("super")) }
    func superDecoder(forKey key: Key) -> any Decoder { TypeDecoder(note: note.field(key.stringValue)) }
}

/// A list of one element, for types that read until the end; those that count may read on.
private struct Elements: UnkeyedDecodingContainer {
    let note: TypeNote
    var currentIndex = 0
    init(note: TypeNote) { self.note = note }
    var codingPath: [any CodingKey] { [] }
    var count: Int? { 1 }
    var isAtEnd: Bool { currentIndex > 0 }

    mutating func decodeNil() -> Bool { false }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        currentIndex += 1
        return try note.element(type)
    }
    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedDecodingContainer<Nested> {
        currentIndex += 1
        return TypeDecoder(note: note).container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer {
        currentIndex += 1
        return Elements(note: note)
    }
    mutating func superDecoder() -> any Decoder {
        currentIndex += 1
        return TypeDecoder(note: note)
    }
}

private struct Single: SingleValueDecodingContainer {
    let note: TypeNote
    var codingPath: [any CodingKey] { [] }
    func decodeNil() -> Bool { false }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try note.value(of: type) }
}
