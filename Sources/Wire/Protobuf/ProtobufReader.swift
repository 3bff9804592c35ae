/// One field: its number, and its value by wire type. Values of more than a number are ranges of the bytes read.
struct ProtobufField: Equatable, Sendable {
    enum Value: Equatable, Sendable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(Range<Int>)
        case fixed32(UInt32)
    }

    let number: Int
    let value: Value
}

/// The fields of a message, in the order of its bytes. Groups, which nothing here uses, are passed over.
struct ProtobufReader: ~Escapable {
    private static let deepestGroup = 32
    private var reader: ByteReader

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { reader = ByteReader(bytes) }

    /// The next field; nil at the end.
    mutating func next() throws(ProtobufError) -> ProtobufField? {
        while reader.remaining > 0 {
            let (number, type) = try tag()
            switch type {
            case 3: try skipGroup(number)
            case 4: throw .malformedGroup
            default: return ProtobufField(number: number, value: try value(type))
            }
        }
        return nil
    }

    private mutating func tag() throws(ProtobufError) -> (number: Int, type: UInt8) {
        let tag = try varint()
        let number = tag >> 3
        guard number > 0 else { throw .fieldZero }
        guard number < 1 << 29 else { throw .numberTooLarge }
        return (Int(number), UInt8(tag & 7))
    }

    private mutating func value(_ type: UInt8) throws(ProtobufError) -> ProtobufField.Value {
        switch type {
        case 0: return .varint(try varint())
        case 1:
            guard let value = reader.read(UInt64.self) else { throw .cut }
            return .fixed64(value)
        case 2:
            guard let length = Int(exactly: try varint()), let range = reader.readRange(length) else { throw .cut }
            return .bytes(range)
        case 5:
            guard let value = reader.read(UInt32.self) else { throw .cut }
            return .fixed32(value)
        default: throw .unknownType(type)
        }
    }

    private mutating func skipGroup(_ number: Int) throws(ProtobufError) {
        var open = [number]
        while let innermost = open.last {
            guard reader.remaining > 0 else { throw .cut }
            let (number, type) = try tag()
            switch type {
            case 3:
                guard open.count < Self.deepestGroup else { throw .malformedGroup }
                open.append(number)
            case 4:
                guard number == innermost else { throw .malformedGroup }
                open.removeLast()
            default: _ = try value(type)
            }
        }
    }

    private mutating func varint() throws(ProtobufError) -> UInt64 {
        do throws(Varint.ReadError) {
            return try reader.readVarint()
        } catch {
            switch error {
            case .cut: throw .cut
            case .tooLarge: throw .numberTooLarge
            }
        }
    }
}
