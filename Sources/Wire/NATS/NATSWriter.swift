/// Writes operations of the NATS client protocol, one behind the other, into bytes that are used again and again.
package struct NATSWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// Forgets what was written, and keeps the room for it.
    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    package static let lineEnd: [UInt8] = [0x0d, 0x0a]
    package static let ping = Array("PING\r\n".utf8)
    package static let pong = Array("PONG\r\n".utf8)

    /// A whole message. An empty reply is none, and so is an empty block of headers.
    package mutating func publish(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payload: RawSpan) {
        publishHead(subject, reply: reply, headers: headers, payloadSize: payload.byteCount)
        bytes.add(payload)
        bytes += Self.lineEnd
    }

    /// What stands before the payload; behind it comes `lineEnd`.
    package mutating func publishHead(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payloadSize: Int) {
        append(headers.isEmpty ? "PUB " : "HPUB ")
        bytes.add(subject)
        bytes.append(0x20)
        if !reply.isEmpty {
            bytes.add(reply)
            bytes.append(0x20)
        }
        if !headers.isEmpty {
            append(headers.byteCount)
            bytes.append(0x20)
        }
        append(headers.byteCount + payloadSize)
        bytes += Self.lineEnd
        bytes.add(headers)
    }

    /// What a server sends to a subscriber.
    package mutating func message(
        _ subject: RawSpan, sid: UInt64, reply: RawSpan, headers: RawSpan, payload: RawSpan
    ) {
        append(headers.isEmpty ? "MSG " : "HMSG ")
        bytes.add(subject)
        bytes.append(0x20)
        append(Int(sid))
        bytes.append(0x20)
        if !reply.isEmpty {
            bytes.add(reply)
            bytes.append(0x20)
        }
        if !headers.isEmpty {
            append(headers.byteCount)
            bytes.append(0x20)
        }
        append(headers.byteCount + payload.byteCount)
        bytes += Self.lineEnd
        bytes.add(headers)
        bytes.add(payload)
        bytes += Self.lineEnd
    }

    package mutating func subscribe(_ subject: String, group: String?, sid: UInt64) {
        append("SUB ")
        bytes += subject.utf8
        if let group {
            bytes.append(0x20)
            bytes += group.utf8
        }
        bytes.append(0x20)
        append(Int(sid))
        bytes += Self.lineEnd
    }

    package mutating func unsubscribe(_ sid: UInt64) {
        append("UNSUB ")
        append(Int(sid))
        bytes += Self.lineEnd
    }

    /// A server's greeting, or a client's.
    package mutating func info(_ json: [UInt8]) { line("INFO ", json) }
    package mutating func connect(_ json: [UInt8]) { line("CONNECT ", json) }
    package mutating func error(_ words: String) { line("-ERR ", Array("'\(words)'".utf8)) }

    private mutating func line(_ name: StaticString, _ rest: [UInt8]) {
        append(name)
        bytes += rest
        bytes += Self.lineEnd
    }

    private mutating func append(_ name: StaticString) {
        name.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    private mutating func append(_ number: Int) {
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}
