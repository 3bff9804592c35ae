/// Turns the bytes of a connection into requests: what a server reads.
///
/// It is given all bytes that were not read yet, and reads as far as they go. Those that it left come again, in front
/// of what follows them.
public struct HTTPRequestDecoder: Sendable {
    private enum State {
        case requestLine(emptyLines: Int)
        case fields
        case body(HTTPBodyDecoder)
        case refused(HTTPMessageError)
    }

    /// The last head that was read.
    public private(set) var head = HTTPRequestHead(.get, "/")
    /// May be changed when a head was read, for the body that follows it.
    public var limits: HTTPLimits
    private var state = State.requestLine(emptyLines: 0)
    private var lines = HTTPFieldLines()

    public init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

    /// No request has begun.
    public var isBetweenRequests: Bool { if case .requestLine = state { true } else { false } }

    /// The head that was read announces a body, which may turn out to be empty.
    public var hasBody: Bool { if case .body(let body) = state { !body.isEmpty } else { false } }

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

    private mutating func read(_ bytes: RawSpan, _ offset: inout Int) throws(HTTPMessageError) -> HTTPPart? {
        while true {
            switch state {
            case .requestLine(let emptyLines):
                // With room for a long method and the version.
                guard
                    let line = try lines.line(
                        bytes, from: offset, limit: min(limits.target + 64, limits.head),
                        tooLong: .targetTooLong(limit: limits.target))
                else { return nil }
                if line.isEmpty, emptyLines < Self.mostEmptyLines {
                    state = .requestLine(emptyLines: emptyLines + 1)
                } else {
                    try readRequestLine(bytes, line)
                    state = .fields
                }
                offset = line.upperBound + 2
            case .fields:
                let tooLarge = HTTPMessageError.headTooLarge(limit: limits.head)
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
                state = part == .end ? .requestLine(emptyLines: 0) : .body(body)
                return part
            case .refused(let error): throw error
            }
        }
    }

    /// Clients of long ago sent a line break too many behind a body.
    private static let mostEmptyLines = 2

    private mutating func readRequestLine(_ bytes: RawSpan, _ line: Range<Int>) throws(HTTPMessageError) {
        var index = line.lowerBound
        while index < line.upperBound, HTTPCharacters.isToken(bytes.byte(index)) { index += 1 }
        let method = line.lowerBound..<index
        guard !method.isEmpty, index < line.upperBound, bytes.byte(index) == UInt8(ascii: " ") else {
            throw Self.malformed(bytes, line, .malformedRequestLine)
        }
        let start = index + 1
        index = start
        while index < line.upperBound, bytes.byte(index) != UInt8(ascii: " ") {
            let byte = bytes.byte(index)
            guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "#") else {
                throw Self.malformed(bytes, line, .malformedTarget)
            }
            index += 1
        }
        guard index > start, index < line.upperBound else { throw .malformedRequestLine }
        if index - start > limits.target { throw .targetTooLong(limit: limits.target) }
        head.version = try HTTPVersion(bytes, (index + 1)..<line.upperBound)
        head.method = Self.method(bytes, method)
        head.target = bytes.text(start..<index)
        head.headers.removeAll()
    }

    private static func malformed(
        _ bytes: RawSpan, _ line: Range<Int>, _ other: HTTPMessageError
    ) -> HTTPMessageError {
        for place in line where !HTTPCharacters.isValue(bytes.byte(place)) { return .controlByte(bytes.byte(place)) }
        return other
    }

    private static func method(_ bytes: RawSpan, _ range: Range<Int>) -> HTTPMethod {
        if range.count == 3, bytes.matches("GET", at: range.lowerBound) { return .get }
        return HTTPMethod(rawValue: bytes.text(range))
    }

    /// The head is whole: what it means for the rest.
    private mutating func beginBody() throws(HTTPMessageError) {
        let noted = lines.noted
        lines = HTTPFieldLines()
        if noted.contains(.hostAgain) { throw .repeatedHost }
        if head.version == .http11, !noted.contains(.host) { throw .missingHost }
        if noted.contains(.host), let host = head.headers["host"], !host.isEmpty,
            !HTTPTarget.isHost(host, needsPort: false)
        {
            throw .malformedHost
        }
        try HTTPTarget.check(head, hasHost: noted.contains(.host))
        let framing = try HTTPFraming.request(head, noted)
        if noted.contains(.expect), head.version == .http11 {
            let values = head.headers.values(of: "expect")
            guard values.count == 1, values[0].lowercased() == "100-continue" else {
                throw .unknownExpectation(values.joined(separator: ", "))
            }
        }
        state = .body(HTTPBodyDecoder(framing))
    }
}
