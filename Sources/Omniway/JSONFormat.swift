import FoundationEssentials
public import OmniwayGateway

/// Messages are JSON, of any type that is `Codable`.
public struct JSONFormat<Message: Codable>: MessageFormat {
    public init(_ type: Message.Type = Message.self) {}
    public func encode(_ message: Message) throws -> [UInt8] { Array(try JSONEncoder().encode(message)) }
    public func decode(_ bytes: [UInt8]) throws -> Message { try JSONDecoder().decode(Message.self, from: Data(bytes)) }
}

extension MessageFormat {
    public static func json<Message>(_ type: Message.Type) -> Self where Self == JSONFormat<Message> { JSONFormat() }
}
