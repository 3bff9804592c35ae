/// Turns the bytes of a connection into responses: what a client reads.
///
/// A response cannot be read without knowing what it answers, so `expect` comes first.
public struct HTTPResponseDecoder: Sendable {
    private enum State {
        case idle
        case statusLine
        case fields
        case body(HTTPBodyDecoder)
        /// What follows is not HTTP any more.
        case switched
        case refused(HTTPMessageError)
    }

    /// The last head that was read. One whose status is informational is followed by another head.
    public private(set) var head = HTTPResponseHead(.ok)
    /// May be changed when a head was read, for the body that follows it.
    public var limits: HTTPLimits
    private var state = State.idle
    private var method = HTTPMethod.get
    private var lines = HTTPFieldLines()
    /// Heads with 1xx before the one that is the answer. They say little, and a server could go on for ever.
    private var informational = 0
    private static let mostInformational = 100

    public init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

    /// The next response answers a request with this method.
    public mutating func expect(answerTo method: HTTPMethod) {
        self.method = method
        informational = 0
        state = .statusLine
    }

    /// The peer has agreed to another protocol: bytes that are left belong to it.
    public var hasSwitched: Bool { if case .switched = state { true } else { false } }

    /// The end of the body is that of the connection.
    public var endsWithConnection: Bool { if case .body(let body) = state { body.endsWithConnection } else { false } }

    /// All of the body was read; `next` says so without another byte.
    package var owesEnd: Bool { if case .body(let body) = state { body.isEmpty } else { false } }

    /// Reads on at `offset`, which moves. Nil when all that can be read was; after an error it is always the same one.
    public mutating func next(_ bytes: RawSpan, _ offset: inout Int) throws(HTTPMessageError) -> HTTPPart? {
        do {
            return try read(bytes, &offset)
        } catch {
            state = .refused(error)
            throw error
        }
    }

    /// The peer will send nothing more.
    public mutating func finish() throws(HTTPMessageError) -> HTTPPart? {
        switch state {
        case .idle, .switched: return nil
        case .body(let body) where body.endsWithConnection || body.isEmpty:
            state = .idle
            return .end
        case .statusLine, .fields, .body:
            state = .refused(.cutOff)
            throw .cutOff
        case .refused(let error): throw error
        }
    }

    private mutating func read(_ bytes: RawSpan, _ offset: inout Int) throws(HTTPMessageError) -> HTTPPart? {
        let tooLarge = HTTPMessageError.headTooLarge(limit: limits.head)
        while true {
            switch state {
            case .idle, .switched: return nil
            case .statusLine:
                guard let line = try lines.line(bytes, from: offset, limit: limits.head, tooLong: tooLarge) else {
                    return nil
                }
                try readStatusLine(bytes, line)
                offset = line.upperBound + 2
                state = .fields
            case .fields:
                guard
                    try lines.fields(
                        bytes, &offset, into: &head.headers, most: limits.fields, limit: limits.head,
                        tooLarge: tooLarge)
                else { return nil }
                try beginBody()
                return .head
            case .body(var body):
                state = .fields  // So that the body is not copied while it is changed.
                let part = try body.next(bytes, &offset, limits)
                state = part == .end ? .idle : .body(body)
                return part
            case .refused(let error): throw error
            }
        }
    }

    /// `HTTP/1.1 200 OK`, and without the last blank too, which many servers leave out with the reason.
    private mutating func readStatusLine(_ bytes: RawSpan, _ line: Range<Int>) throws(HTTPMessageError) {
        let start = line.lowerBound
        guard line.count >= 12, bytes.byte(start + 8) == UInt8(ascii: " "),
            line.count == 12 || bytes.byte(start + 12) == UInt8(ascii: " ")
        else { throw .malformedStatusLine }
        head.version = try HTTPVersion(bytes, start..<(start + 8))
        var code = 0
        for index in (start + 9)..<(start + 12) {
            guard HTTPCharacters.isDigit(bytes.byte(index)) else { throw .malformedStatusLine }
            code = code * 10 + Int(bytes.byte(index) - UInt8(ascii: "0"))
        }
        guard 100...599 ~= code else { throw .malformedStatusLine }
        let reason = min(start + 13, line.upperBound)..<line.upperBound
        for place in reason where !HTTPCharacters.isValue(bytes.byte(place)) { throw .controlByte(bytes.byte(place)) }
        head.status = HTTPStatus(code)
        head.reason = bytes.text(reason)
        head.headers.removeAll()
    }

    private mutating func beginBody() throws(HTTPMessageError) {
        let noted = lines.noted
        lines = HTTPFieldLines()
        if head.status == .switchingProtocols || (method == .connect && head.status.isSuccess) {
            state = .switched
        } else if head.status.isInformational {
            informational += 1
            if informational > Self.mostInformational { throw .tooManyInformational(limit: Self.mostInformational) }
            state = .statusLine
        } else {
            state = .body(HTTPBodyDecoder(try HTTPFraming.response(head, to: method, noted)))
        }
    }
}
