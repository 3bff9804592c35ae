public import OmniwayWire

/// How messages of an application become the bytes of one packet, and back. The gateway does not care.
///
/// ```swift
/// struct Words: MessageFormat {
///     func encode(_ words: [String]) -> [UInt8] { Array(words.joined(separator: " ").utf8) }
///     func decode(_ bytes: [UInt8]) -> [String] {
///         String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
///     }
/// }
/// ```
public protocol MessageFormat<Message>: Sendable {
    associatedtype Message
    func encode(_ message: Message) throws -> [UInt8]
    func decode(_ bytes: [UInt8]) throws -> Message
}

/// Messages are bytes.
public struct BytesFormat: MessageFormat {
    public init() {}
    public func encode(_ message: [UInt8]) -> [UInt8] { message }
    public func decode(_ bytes: [UInt8]) -> [UInt8] { bytes }
}

/// Messages are text in UTF-8; what is not becomes a replacement character.
public struct TextFormat: MessageFormat {
    public init() {}
    public func encode(_ message: String) -> [UInt8] { Array(message.utf8) }
    public func decode(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

public struct SerializedFormat<Message: SerializedMessage>: MessageFormat {
    public init(_ type: Message.Type = Message.self) {}
    public func encode(_ message: Message) throws -> [UInt8] { try message.serializedBytes() }
    public func decode(_ bytes: [UInt8]) throws -> Message { try Message(serializedBytes: bytes) }
}

extension MessageFormat where Self == BytesFormat { public static var bytes: BytesFormat { BytesFormat() } }
extension MessageFormat where Self == TextFormat { public static var text: TextFormat { TextFormat() } }

extension MessageFormat {
    public static func serialized<Message>(_ type: Message.Type) -> Self where Self == SerializedFormat<Message> {
        SerializedFormat()
    }
}
