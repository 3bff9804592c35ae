/// What is wrong with what a peer sent to a gateway, or a gateway to a peer. It costs the sender its connection.
public enum GatewayError: Error, Equatable, Sendable, CustomStringConvertible {
    case packetTooShort(length: Int)
    case packetTooLarge(length: Int, limit: Int)
    case emptyCommand
    case commandTooShort(type: UInt8, length: Int)
    case unknownCommand(UInt8)

    public var description: String {
        switch self {
        case .packetTooShort(let length): "a packet says that it has \(length) bytes; it needs 4 at least"
        case .packetTooLarge(let length, let limit): "a packet of \(length) bytes is above the limit of \(limit)"
        case .emptyCommand: "a packet has the id 0 and no command"
        case .commandTooShort(let type, let length): "command \(type) has only \(length) bytes"
        case .unknownCommand(let type): "command \(type) is not known in this dialect"
        }
    }
}
