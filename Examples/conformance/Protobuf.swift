import OmniwayMain

/// The one message of the recordings, `message Doc { string doc = 1; }`, as it would be generated; also as JSON.
struct Doc: Codable, SerializedMessage {
    var doc: String

    init(doc: String) { self.doc = doc }

    init(serializedBytes bytes: [UInt8]) throws {
        doc = ""
        var rest = bytes[...]
        while !rest.isEmpty {
            guard try Self.varint(&rest) == 1 << 3 | 2 else { throw Malformed() }  // Field 1, with a length.
            let length = try Self.varint(&rest)
            guard length <= rest.count, let text = String(validating: rest.prefix(length), as: UTF8.self) else {
                throw Malformed()
            }
            doc = text
            rest = rest.dropFirst(length)
        }
    }

    func serializedBytes() -> [UInt8] {
        guard !doc.isEmpty else { return [] }
        var (bytes, length): ([UInt8], Int) = ([1 << 3 | 2], doc.utf8.count)
        while length >= 0x80 {
            bytes.append(UInt8(length & 0x7f) | 0x80)
            length >>= 7
        }
        return bytes + [UInt8(length)] + doc.utf8
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) throws -> Int {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard let byte = bytes.popFirst() else { break }
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw Malformed()
    }

    private struct Malformed: Error, CustomStringConvertible { let description = "proto: cannot parse Doc" }
}

/// Protobuf that starts with any handlers: those whose types are no messages answer with an error, as the original's
/// do. An app of one's own would rather hear of it at the start, by `ProtobufSerializer`.
struct AnyProtobuf: Serializer {
    private let protobuf = ProtobufSerializer()
    var name: String { protobuf.name }
    func decode<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value { try protobuf.decode(type, from: body) }
    func encode<Value>(_ value: Value) throws -> [UInt8] { try protobuf.encode(value) }
    func encode(_ error: AppError) -> [UInt8] { protobuf.encode(error) }
    func decodeError(from body: [UInt8]) throws -> AppError { try protobuf.decodeError(from: body) }
}
