/// Where a body ends, as its head says (RFC 9112, section 6). What two readers could understand in two ways is refused,
/// because somebody may be counting on that.
enum HTTPFraming: Equatable {
    case none
    case length(Int)
    case chunked
    case untilTheEnd

    static func request(
        _ head: HTTPRequestHead, _ noted: HTTPFieldLines.Noted
    ) throws(HTTPMessageError) -> HTTPFraming {
        if noted.isDisjoint(with: [.contentLength, .transferEncoding]) { return .none }
        if head.method == .connect { throw .bodyInConnect }
        return try announced(head.headers, head.version, noted) ?? .none
    }

    static func response(
        _ head: HTTPResponseHead, to method: HTTPMethod, _ noted: HTTPFieldLines.Noted
    ) throws(HTTPMessageError) -> HTTPFraming {
        if head.status.hasNoBody || method == .head { return .none }
        return try announced(head.headers, head.version, noted) ?? .untilTheEnd
    }

    private static func announced(
        _ headers: HTTPHeaders, _ version: HTTPVersion, _ noted: HTTPFieldLines.Noted
    ) throws(HTTPMessageError) -> HTTPFraming? {
        if noted.contains(.transferEncoding) {
            if noted.contains(.contentLength) { throw .contentLengthAndTransferEncoding }
            if version == .http10 { throw .transferEncodingInHTTP10 }
            try checkChunked(headers, isRepeated: noted.contains(.transferEncodingAgain))
            return .chunked
        }
        if noted.contains(.contentLengthAgain) { throw .repeatedContentLength }
        guard noted.contains(.contentLength), let text = headers["content-length"] else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy(HTTPCharacters.isDigit), let length = Int(text) else {
            throw .malformedContentLength(text)
        }
        return .length(length)
    }

    private static func checkChunked(_ headers: HTTPHeaders, isRepeated: Bool) throws(HTTPMessageError) {
        let text = headers.values(of: "transfer-encoding").joined(separator: ", ")
        let codings = headers.list("transfer-encoding").map { $0.lowercased() }
        guard !isRepeated, codings.last == "chunked", codings.count(where: { $0 == "chunked" }) == 1 else {
            throw .malformedTransferEncoding(text)
        }
        // An empty element would vanish from the list; another reader may see something in it.
        guard codings.count == 1, headers["transfer-encoding"]?.utf8.count == "chunked".utf8.count else {
            throw .unknownTransferEncoding(text)
        }
    }
}
