/// One operation of the NATS client protocol. Bytes are named by where they stand in what was read.
package enum NATSOperation: Equatable, Sendable {
    /// JSON about the server: its greeting, and later whenever something has changed.
    case info(Range<Int>)
    /// JSON about the client.
    case connect(Range<Int>)
    /// From a server to a subscriber.
    case message(NATSMessage)
    /// From a client to whoever has subscribed. Its `sid` is zero.
    case publish(NATSMessage)
    /// An empty group is none.
    case subscribe(subject: Range<Int>, group: Range<Int>, sid: UInt64)
    /// At once, or after so many messages in all.
    case unsubscribe(sid: UInt64, after: Int?)
    case ping
    case pong
    case ok
    /// The words, without quotation marks.
    case error(Range<Int>)
}

/// Where the parts of a message stand. Whatever is empty is not there.
package struct NATSMessage: Equatable, Sendable {
    package var subject: Range<Int>
    package var sid: UInt64
    package var reply: Range<Int>
    /// The whole block, with the line that begins it and the empty one that ends it.
    package var headers: Range<Int>
    package var payload: Range<Int>

    package init(subject: Range<Int>, sid: UInt64, reply: Range<Int>, headers: Range<Int>, payload: Range<Int>) {
        (self.subject, self.sid, self.reply) = (subject, sid, reply)
        (self.headers, self.payload) = (headers, payload)
    }
}

/// What a peer sent that is no NATS. It costs the peer its connection.
package enum NATSError: Error, Equatable, Sendable, CustomStringConvertible {
    case lineTooLong(limit: Int)
    case unknownOperation(String)
    case malformed(String)
    case payloadTooLarge(Int, limit: Int)
    case payloadNotEnded
    case malformedInfo(String)

    package var description: String {
        switch self {
        case .lineTooLong(let limit): "a line of more than \(limit) bytes; is this a NATS server's client port?"
        case .unknownOperation(let word): "'\(word)' is no operation of NATS; is this a NATS server's client port?"
        case .malformed(let line): "the line '\(line)' cannot be read"
        case .payloadTooLarge(let count, let limit): "a message of \(count) bytes; at most \(limit) are taken"
        case .payloadNotEnded: "a payload without the end of line behind it"
        case .malformedInfo(let words): "the server's INFO cannot be read: \(words)"
        }
    }
}
