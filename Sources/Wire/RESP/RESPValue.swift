/// What Redis answers, in version 2 of its protocol.
package enum RESPValue: Equatable, Sendable {
    /// A word such as `OK`.
    case text(String)
    /// Why a command was not carried out. It begins with a word in capitals.
    case error(String)
    case number(Int64)
    case bytes([UInt8])
    case array([RESPValue])
    /// A key that is not there, or nothing in time.
    case null
}

/// Why bytes are no answer of Redis.
package enum RESPError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownType(UInt8)
    case malformed(String)
    case tooLarge(Int, limit: Int)
    case tooDeep(limit: Int)

    package var description: String {
        switch self {
        case .unknownType(let byte): "an answer begins with the byte \(byte); is that Redis, without TLS?"
        case .malformed(let line): "\"\(line)\" is no line of Redis' protocol"
        case .tooLarge(let count, let limit): "an answer of \(count) bytes or elements; at most \(limit) are read"
        case .tooDeep(let limit): "lists in lists, more than \(limit) deep"
        }
    }
}
