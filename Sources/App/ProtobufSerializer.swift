import OmniwayWire

/// Bodies are protobuf, of any type that is a `SerializedMessage`. Those that are generated from a definition have what
/// it takes: `extension Chat_Join: SerializedMessage {}`.
public struct ProtobufSerializer: Serializer {
    public let name = "protobuf"

    public init() {}

    public func canDecode(_ type: Any.Type) -> Bool { type is any SerializedMessage.Type }
    public func canEncode(_ type: Any.Type) -> Bool { type is any SerializedMessage.Type }

    public func decode<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
        guard let type = type as? any SerializedMessage.Type, let value = try type.init(serializedBytes: body) as? Value
        else { throw AppError(AppError.badRequest, Self.wrongType) }
        return value
    }

    public func encode<Value>(_ value: Value) throws -> [UInt8] {
        guard let value = value as? any SerializedMessage else { throw AppError(AppError.unknown, Self.wrongType) }
        return try value.serializedBytes()
    }

    public func encode(_ error: AppError) -> [UInt8] { error.protobuf }
    public func decodeError(from body: [UInt8]) throws -> AppError { try AppError(protobuf: body) }

    /// In the words that clients of the original know.
    private static let wrongType = "protobuf: convert on wrong type value"
}
