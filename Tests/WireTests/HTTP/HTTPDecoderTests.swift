import OmniwayWire
import Testing

@Suite struct HTTPDecoderTests {
    private static let conversation = Array(
        """
        \r
        GET /first?a=1 HTTP/1.1\r
        Host: example.org:8080\r
        Accept: */*\r
        \r
        POST /second HTTP/1.1\r
        host: example.org\r
        content-length:   11  \r
        X-Empty:\r
        \r
        hello worldPUT /third HTTP/1.1\r
        Host: [::1]:80\r
        Transfer-Encoding: Chunked\r
        \r
        5;name="a value"\r
        hello\r
        00006\r
         again\r
        0\r
        X-Sum: 11\r
        \r
        OPTIONS * HTTP/1.1\r
        Host:\r
        \r
        CONNECT example.org:443 HTTP/1.1\r
        Host: example.org:443\r
        \r
        GET http://Example.org HTTP/1.0\r
        Host: example.org\r
        Connection: keep-alive\r
        \r

        """.utf8)

    @Test func `requests follow one another on a connection`() {
        let transcript = HTTPTranscript(requests: [Self.conversation])
        #expect(
            transcript.requests.map { "\($0.method) \($0.target)" } == [
                "GET /first?a=1", "POST /second", "PUT /third", "OPTIONS *", "CONNECT example.org:443",
                "GET http://Example.org",
            ])
        #expect(transcript.bodies == ["hello world", "hello again"])
        #expect(transcript.ends == 6)
        #expect(transcript.error == nil)
        #expect(transcript.unread.isEmpty)
        let second = transcript.requests[1].headers
        #expect(second.map { "\($0.name)=\($0.value)" } == ["host=example.org", "content-length=11", "X-Empty="])
    }

    @Test func `requests are the same, wherever they are cut`() {
        let whole = HTTPTranscript(requests: [Self.conversation])
        #expect(HTTPTranscript(requests: Self.conversation.singles) == whole)
        for pieces in Self.conversation.cuts {
            #expect(HTTPTranscript(requests: pieces) == whole, "cut at \(pieces[0].count)")
        }
    }

    private static let responses = Array(
        """
        HTTP/1.1 100 Continue\r
        \r
        HTTP/1.1 103 Early Hints\r
        Link: </a>\r
        \r
        HTTP/1.1 200 OK\r
        Content-Length: 5\r
        \r
        helloHTTP/1.1 200 OK\r
        Content-Length: 5\r
        \r
        HTTP/1.1 204\r
        \r
        HTTP/1.1 304 Not Modified\r
        Content-Length: 9\r
        \r
        HTTP/1.1 404 \r
        Transfer-Encoding: chunked\r
        \r
        3\r
        no!\r
        0\r
        \r
        HTTP/1.0 200 Fine\r
        \r
        until the end
        """.utf8)
    private static let methods: [HTTPMethod] = [.get, .head, .delete, .get, .get, .get]

    @Test func `responses have the bodies that their request and status allow`() {
        let transcript = HTTPTranscript(responsesTo: Self.methods, pieces: [Self.responses], ends: true)
        #expect(transcript.responses.map(\.status.code) == [100, 103, 200, 200, 204, 304, 404, 200])
        #expect(transcript.responses.map(\.reason).last == "Fine")
        #expect(transcript.bodies == ["hello", "no!", "until the end"])
        #expect(transcript.ends == 6)
        #expect(transcript.error == nil)
    }

    @Test func `responses are the same, wherever they are cut`() {
        let whole = HTTPTranscript(responsesTo: Self.methods, pieces: [Self.responses], ends: true)
        #expect(HTTPTranscript(responsesTo: Self.methods, pieces: Self.responses.singles, ends: true) == whole)
        for pieces in Self.responses.cuts {
            #expect(HTTPTranscript(responsesTo: Self.methods, pieces: pieces, ends: true) == whole)
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n\u{1}\u{2}", HTTPMethod.get),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\u{1}\u{2}", .connect),
    ])
    func `what follows a switch is left to the other protocol`(_ text: String, _ method: HTTPMethod) {
        for pieces in Array(text.utf8).cuts {
            let transcript = HTTPTranscript(responsesTo: [method], pieces: pieces, ends: true)
            #expect(transcript.unread == [1, 2])
            #expect(transcript.ends == 0)
            #expect(transcript.error == nil)
        }
    }

    @Test(arguments: [
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
    ])
    func `a response that was cut off is an error`(_ text: String) {
        #expect(HTTPTranscript(responsesTo: [.get], pieces: [Array(text.utf8)], ends: true).error == .cutOff)
    }

    @Test func `each limit is met exactly`() {
        func error(_ text: String, _ limits: HTTPLimits) -> HTTPMessageError? {
            HTTPTranscript(requests: [Array(text.utf8)], limits: limits).error
        }
        let head = "GET /abc HTTP/1.1\r\nHost: a\r\n\r\n"
        let size = head.utf8.count
        #expect(error(head, HTTPLimits(head: size, target: 4, fields: 1)) == nil)
        #expect(error(head, HTTPLimits(head: size - 1, target: 4)) == .headTooLarge(limit: size - 1))
        #expect(error(head, HTTPLimits(head: size, target: 3)) == .targetTooLong(limit: 3))
        #expect(error(head, HTTPLimits(fields: 0)) == .tooManyFields(limit: 0))

        let post = "POST / HTTP/1.1\r\nHost: a\r\n"
        #expect(error(post + "Content-Length: 3\r\n\r\nabc", HTTPLimits(body: 3)) == nil)
        #expect(error(post + "Content-Length: 3\r\n\r\n", HTTPLimits(body: 2)) == .bodyTooLarge(limit: 2))
        let chunked = post + "Transfer-Encoding: chunked\r\n\r\n3;ab\r\nabc\r\n0\r\nX: 1\r\n\r\n"
        #expect(error(chunked, HTTPLimits(chunkLine: 6, chunkExtensions: 3, trailers: 8, body: 3)) == nil)
        #expect(error(chunked, HTTPLimits(chunkLine: 5)) == .chunkLineTooLong(limit: 5))
        #expect(error(chunked, HTTPLimits(chunkExtensions: 2)) == .chunkLineTooLong(limit: 2))
        #expect(error(chunked, HTTPLimits(trailers: 7)) == .trailersTooLarge(limit: 7))
        #expect(error(chunked, HTTPLimits(body: 2)) == .bodyTooLarge(limit: 2))
    }

    @Test func `the limit of a body may be set when its head was read`() throws {
        var decoder = HTTPRequestDecoder(limits: HTTPLimits(body: 0))
        let bytes = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".utf8)
        try unsafe bytes.withUnsafeBytes { raw throws in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            var offset = 0
            #expect(try decoder.next(span, &offset) == .head)
            decoder.limits.body = 3
            #expect(try decoder.next(span, &offset) == .body((bytes.count - 3)..<bytes.count))
            #expect(try decoder.next(span, &offset) == .end)
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n", true), ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n", false),
        ("GET / HTTP/1.0\r\n", false), ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", false),
    ])
    func `a connection lives on as version and fields say`(_ text: String, _ keepsAlive: Bool) {
        let transcript = HTTPTranscript(requests: [Array((text + "\r\n").utf8)])
        #expect(transcript.requests.map(\.keepsAlive) == [keepsAlive])
    }
}
