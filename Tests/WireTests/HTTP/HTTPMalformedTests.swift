import OmniwayTesting
import OmniwayWire
import Testing

/// A request that is refused, and how.
struct MalformedRequest: Codable, Sendable, CustomStringConvertible {
    let name: String
    /// One character is one byte; `«a9000»` stands for 9000 times the letter.
    let text: String
    let status: Int
    let reason: String

    var description: String { name }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "«" else {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
                continue
            }
            let repeated = rest.prefix { $0 != "»" }
            rest = rest[repeated.endIndex...].dropFirst()
            let count = Int(String(repeated.dropFirst())) ?? 0
            bytes += Array(repeating: UInt8(ascii: repeated.first ?? "a"), count: count)
        }
        return bytes
    }

    private struct File: Codable { let vectors: [MalformedRequest] }
    static func all() throws -> [MalformedRequest] { try Vectors.decode(File.self, from: "http-malformed").vectors }
}

@Suite struct HTTPMalformedTests {
    @Test(arguments: try MalformedRequest.all())
    func `a malformed request is refused with the recorded answer`(_ request: MalformedRequest) throws {
        let error = try #require(HTTPTranscript(requests: [request.bytes]).error)
        #expect(error.status.code == request.status, "\(error)")
        #expect(error.description.contains(request.reason), "\(error)")
    }

    @Test(arguments: try MalformedRequest.all())
    func `a malformed request is refused in the same way, wherever it is cut`(_ request: MalformedRequest) {
        let bytes = request.bytes
        let whole = HTTPTranscript(requests: [bytes])
        #expect(HTTPTranscript(requests: bytes.singles).entries == whole.entries)
        for pieces in bytes.count > 1000 ? [] : bytes.cuts {
            #expect(HTTPTranscript(requests: pieces).entries == whole.entries, "cut at \(pieces[0].count)")
        }
    }

    @Test func `an error stays`() {
        var decoder = HTTPRequestDecoder()
        let bytes = Array("GET /\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        unsafe bytes.withUnsafeBytes { raw in
            var offset = 0
            for _ in 1...2 {
                #expect(throws: HTTPMessageError.malformedRequestLine) {
                    try unsafe decoder.next(RawSpan(_unsafeBytes: raw), &offset)
                }
            }
        }
    }

    @Test func `chunks above the limit are refused, however they are divided`() {
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        let chunk = Array("5\r\nhello\r\n".utf8)
        let limits = HTTPLimits(body: 12)
        let transcript = HTTPTranscript(requests: [head] + Array(repeating: chunk, count: 3), limits: limits)
        #expect(transcript.bodies == ["hellohello"])
        #expect(transcript.error == .bodyTooLarge(limit: 12))
    }

    @Test(arguments: [
        ("HTTP/1.1 OK\r\n\r\n", HTTPMessageError.malformedStatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 +20 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion("HTTP/2.0")),
        ("http/1.1 200 OK\r\n\r\n", .malformedVersion),
        ("SSH-2.0-OpenSSH_9.2\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 OK\n\n", .bareLineFeed),
        ("HTTP/1.1 200 O\0K\r\n\r\n", .controlByte(0)),
        ("HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", .blankBeforeColon),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", .foldedLine),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", .malformedContentLength("5, 5")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .repeatedContentLength),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            .contentLengthAndTransferEncoding
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unknownTransferEncoding("gzip, chunked")),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", .malformedChunkSize),
    ])
    func `a malformed response is refused, wherever it is cut`(_ text: String, _ error: HTTPMessageError) {
        let bytes = Array(text.utf8)
        #expect(HTTPTranscript(responsesTo: [.get], pieces: [bytes]).error == error)
        #expect(HTTPTranscript(responsesTo: [.get], pieces: bytes.singles).error == error)
    }
}
