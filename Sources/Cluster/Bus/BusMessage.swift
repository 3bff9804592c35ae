import OmniwayTransport
import OmniwayWire

/// A message that has arrived. Its bytes are gone when the call that brought it returns.
public struct BusMessage: ~Escapable {
    private let bytes: RawSpan
    private let parts: NATSMessage
    private let port: BusPort

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, _ parts: NATSMessage, on port: BusPort) {
        (self.bytes, self.parts, self.port) = (bytes, parts, port)
    }

    /// The bytes in place.
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(parts.payload) }
    }

    /// A copy of the payload.
    public var body: [UInt8] { bytes.array(parts.payload) }
    /// The payload as text; what is not UTF-8 becomes a replacement character.
    public var text: String { bytes.text(parts.payload) }
    /// What it was published to, which a subscription with wildcards does not know.
    public var subject: String { bytes.text(parts.subject) }
    /// What was said beside the payload.
    public var headers: BusHeaders { parts.headers.isEmpty ? BusHeaders() : BusHeaders(block: headerBlock) }
    /// Where an answer is expected.
    public var replySubject: String? { parts.reply.isEmpty ? nil : bytes.text(parts.reply) }
    /// It names a subject for its answer.
    public var expectsAnswer: Bool { !parts.reply.isEmpty }

    /// A number of the bus itself in the headers: 503 says that nobody listens.
    var status: Int? { parts.headers.isEmpty ? nil : NATSHeaderBlock.status(of: headerBlock) }

    private var headerBlock: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(parts.headers) }
    }

    /// Answers. A message that expects none is left as it is.
    public func respond(_ payload: RawSpan, headers: BusHeaders = BusHeaders()) throws(BusError) {
        if parts.reply.isEmpty { return }
        try port.send(payload, to: bytes.extracting(parts.reply), headers: headers)
    }

    /// The same with bytes of one's own.
    public func respond(_ payload: [UInt8], headers: BusHeaders = BusHeaders()) throws(BusError) {
        try respond(payload.span.raw, headers: headers)
    }

    /// For an answer that is given later. Nil when none is expected.
    public var reply: BusReply? { replySubject.map { BusReply(port: port, subject: $0) } }

    /// A copy of all of it, to be kept.
    var envelope: BusEnvelope {
        var all: [UInt8] = []
        all.reserveCapacity(parts.subject.count + parts.reply.count + parts.headers.count + parts.payload.count)
        let parts = NATSMessage(
            subject: all.add(bytes.extracting(parts.subject)), sid: parts.sid,
            reply: all.add(bytes.extracting(parts.reply)), headers: all.add(headerBlock), payload: all.add(payload))
        return BusEnvelope(bytes: all, parts: parts)
    }
}

/// The way back to whoever has sent a request. It lives on the loop where the request arrived.
public struct BusReply {
    /// Where the request arrived.
    public let port: BusPort
    /// Where the answer goes.
    public let subject: String

    init(port: BusPort, subject: String) { (self.port, self.subject) = (port, subject) }

    /// Answers. It may be called more than once; the first answer counts.
    public func send(_ payload: RawSpan, headers: BusHeaders = BusHeaders()) throws(BusError) {
        try port.send(payload, to: subject.utf8.span.raw, headers: headers)
    }

    /// The same with bytes of one's own.
    public func send(_ payload: [UInt8], headers: BusHeaders = BusHeaders()) throws(BusError) {
        try send(payload.span.raw, headers: headers)
    }
}

/// A message that is kept: one that waits, or goes to another loop.
struct BusEnvelope: Sendable {
    let bytes: [UInt8]
    let parts: NATSMessage

    func open(on port: BusPort, _ body: (BusMessage) -> Void) { body(BusMessage(bytes.span.raw, parts, on: port)) }
}

/// An answer that is kept.
public struct BusResponse: Sendable, Equatable {
    /// The payload.
    public let body: [UInt8]
    /// What was said beside it.
    public let headers: BusHeaders
    /// The payload as text; what is not UTF-8 becomes a replacement character.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
