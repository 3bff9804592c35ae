/// What is wrong with bytes that should be a protobuf message.
package enum ProtobufError: Error, Equatable, Sendable, CustomStringConvertible {
    case cut
    case numberTooLarge
    case fieldZero
    case unknownType(UInt8)
    /// A group that does not end, ends as another, or stands too deep in others.
    case malformedGroup
    case notUTF8(field: Int)

    package var description: String {
        let words =
            switch self {
            case .cut: "they end in the middle of a field"
            case .numberTooLarge: "a number has more than 64 bits, or a field too high a number"
            case .fieldZero: "a field has the number 0"
            case .unknownType(let type): "a field has the wire type \(type)"
            case .malformedGroup: "a group is not closed as it was opened"
            case .notUTF8(let field): "the text of field \(field) is not UTF-8"
            }
        return "the bytes are no protobuf message: \(words); the sender must use the protocol's own definitions"
    }
}
