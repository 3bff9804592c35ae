/// What a decoder found next.
public enum HTTPPart: Equatable, Sendable {
    /// A whole head; the decoder has it.
    case head
    /// Bytes of the body, where they lie. Never empty.
    case body(Range<Int>)
    /// The message is over.
    case end
}

/// Reads a body up to its end. It names the bytes and copies none.
struct HTTPBodyDecoder {
    private enum State {
        case fixed(Int)
        case chunkLine
        case chunk(Int)
        case chunkEnd(sawReturn: Bool)
        case trailers
        case untilTheEnd
    }

    private var state: State
    private var lines = HTTPFieldLines()
    private var trailers = HTTPHeaders()
    private var received = 0
    private var extensions = 0

    init(_ framing: HTTPFraming) {
        state =
            switch framing {
            case .none: .fixed(0)
            case .length(let length): .fixed(length)
            case .chunked: .chunkLine
            case .untilTheEnd: .untilTheEnd
            }
    }

    /// No bytes belong to it, or none any more.
    var isEmpty: Bool { if case .fixed(0) = state { true } else { false } }

    /// A body of this kind is over when the connection is.
    var endsWithConnection: Bool { if case .untilTheEnd = state { true } else { false } }

    mutating func next(
        _ bytes: RawSpan, _ offset: inout Int, _ limits: HTTPLimits
    ) throws(HTTPMessageError) -> HTTPPart? {
        while true {
            switch state {
            case .fixed(let rest):
                try checkSize(rest, limits)
                guard rest > 0 else { return .end }
                guard let range = take(rest, bytes, &offset) else { return nil }
                state = .fixed(rest - range.count)
                return .body(range)
            case .chunkLine:
                guard let size = try chunkSize(bytes, &offset, limits) else { return nil }
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let rest):
                guard let range = take(rest, bytes, &offset) else { return nil }
                state = range.count == rest ? .chunkEnd(sawReturn: false) : .chunk(rest - range.count)
                return .body(range)
            case .chunkEnd(let sawReturn):
                guard offset < bytes.byteCount else { return nil }
                guard bytes.byte(offset) == (sawReturn ? UInt8(ascii: "\n") : UInt8(ascii: "\r")) else {
                    throw .missingChunkEnd
                }
                offset += 1
                state = sawReturn ? .chunkLine : .chunkEnd(sawReturn: true)
            case .trailers:
                let tooLarge = HTTPMessageError.trailersTooLarge(limit: limits.trailers)
                guard
                    try lines.fields(
                        bytes, &offset, into: &trailers, most: limits.fields, limit: limits.trailers,
                        tooLarge: tooLarge)
                else { return nil }
                try checkTrailers()
                return .end
            case .untilTheEnd:
                guard let range = take(.max, bytes, &offset) else { return nil }
                try checkSize(0, limits)
                return .body(range)
            }
        }
    }

    private mutating func take(_ most: Int, _ bytes: RawSpan, _ offset: inout Int) -> Range<Int>? {
        let count = min(most, bytes.byteCount - offset)
        guard count > 0 else { return nil }
        defer { offset += count }
        received += count
        return offset..<(offset + count)
    }

    private func checkSize(_ more: Int, _ limits: HTTPLimits) throws(HTTPMessageError) {
        if more > limits.body - min(received, limits.body) || received > limits.body {
            throw .bodyTooLarge(limit: limits.body)
        }
    }

    /// The size in front of a chunk. Extensions are skipped.
    private mutating func chunkSize(
        _ bytes: RawSpan, _ offset: inout Int, _ limits: HTTPLimits
    ) throws(HTTPMessageError) -> Int? {
        let tooLong = HTTPMessageError.chunkLineTooLong(limit: limits.chunkLine)
        guard let line = try lines.line(bytes, from: offset, limit: limits.chunkLine, tooLong: tooLong) else {
            return nil
        }
        var size = 0
        var index = line.lowerBound
        while index < line.upperBound, let digit = HTTPCharacters.hexDigit(bytes.byte(index)) {
            guard size <= Int.max >> 4 else { throw .malformedChunkSize }
            size = size << 4 | digit
            index += 1
        }
        guard index > line.lowerBound, index == line.upperBound || bytes.byte(index) == UInt8(ascii: ";") else {
            throw .malformedChunkSize
        }
        for place in index..<line.upperBound where !HTTPCharacters.isValue(bytes.byte(place)) {
            throw .controlByte(bytes.byte(place))
        }
        extensions += line.upperBound - index
        if extensions > limits.chunkExtensions { throw .chunkLineTooLong(limit: limits.chunkExtensions) }
        try checkSize(size, limits)
        offset = line.upperBound + 2
        lines = HTTPFieldLines()
        return size
    }

    private static let forbidden: Set<String> = [
        "authorization", "connection", "content-encoding", "content-length", "content-range", "content-type", "cookie",
        "expect", "host", "keep-alive", "max-forwards", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate",
    ]

    /// Fields that say how to read a message must not come when it has been read.
    private func checkTrailers() throws(HTTPMessageError) {
        for trailer in trailers where Self.forbidden.contains(trailer.name.lowercased()) {
            throw .forbiddenTrailer(trailer.name)
        }
    }
}
