/// The versions that are spoken here.
public enum HTTPVersion: Sendable {
    /// Connections end after each response, unless both sides say otherwise; bodies are never chunked.
    case http10
    case http11

    var text: StaticString {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        }
    }

    /// Reads the eight bytes of a version, such as `HTTP/1.1`.
    init(_ bytes: RawSpan, _ range: Range<Int>) throws(HTTPMessageError) {
        guard range.count == 8, bytes.matches("HTTP/", at: range.lowerBound),
            HTTPCharacters.isDigit(bytes.byte(range.lowerBound + 5)),
            bytes.byte(range.lowerBound + 6) == UInt8(ascii: "."),
            HTTPCharacters.isDigit(bytes.byte(range.lowerBound + 7))
        else { throw .malformedVersion }
        switch (bytes.byte(range.lowerBound + 5), bytes.byte(range.lowerBound + 7)) {
        case (UInt8(ascii: "1"), UInt8(ascii: "1")): self = .http11
        case (UInt8(ascii: "1"), UInt8(ascii: "0")): self = .http10
        default: throw .unsupportedVersion(bytes.text(range))
        }
    }
}
