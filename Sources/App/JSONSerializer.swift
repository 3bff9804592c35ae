import FoundationEssentials
import OmniwayWire

/// Bodies are JSON, of any type that is `Codable`, or of `JSON` itself.
public struct JSONSerializer: Serializer {
    private let encoder: JSONEncoder
    private let decoder = JSONDecoder()
    public let name = "json"

    /// The members of an object are written in the order of their names, so that equal values are equal bytes.
    public init() {
        encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    public func canDecode(_ type: Any.Type) -> Bool { type is any Decodable.Type || type == JSON.self }
    public func canEncode(_ type: Any.Type) -> Bool { type is any Encodable.Type || type == JSON.self }

    public func decode<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
        if Value.self == JSON.self, let json = try JSON.Reader.go.read(body) as? Value { return json }
        guard let type = type as? any Decodable.Type else { throw UnfitType(type: "\(type)", serializer: name) }
        do {
            guard let value = try decoder.decode(type, from: Data(body)) as? Value else {
                throw UnfitType(type: "\(type)", serializer: name)
            }
            return value
        } catch let error as DecodingError {
            throw AppError(AppError.badRequest, error.inWords)
        }
    }

    public func encode<Value>(_ value: Value) throws -> [UInt8] {
        if Value.self == JSON.self, let json = value as? JSON { return JSON.Writer(escaping: .go).bytes(of: json) }
        guard let value = value as? any Encodable else { throw UnfitType(type: "\(Value.self)", serializer: name) }
        return Array(try encoder.encode(value))
    }
}

/// A value that a serializer cannot write, or a type that it cannot read.
struct UnfitType: Error, CustomStringConvertible {
    let type: String
    let serializer: String
    var description: String { "the serializer \(serializer) knows nothing of \(type); see what it asks of types" }
}

extension DecodingError {
    /// For the client that sent the body.
    fileprivate var inWords: String {
        switch self {
        case .keyNotFound(let key, let context): "\(context.place)the field \(key.stringValue) is missing"
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            "\(context.place)expected \(type)"
        case .dataCorrupted(let context): "\(context.place)\(context.debugDescription)"
        @unknown default: "\(self)"
        }
    }
}

extension DecodingError.Context {
    fileprivate var place: String {
        codingPath.isEmpty ? "" : codingPath.map(\.stringValue).joined(separator: ".") + ": "
    }
}
