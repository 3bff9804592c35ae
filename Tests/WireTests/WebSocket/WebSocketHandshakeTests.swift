import Testing

@testable import OmniwayWire

@Suite struct WebSocketHandshakeTests {
    private let terms = WebSocketTerms(path: "/chat", origins: nil, subprotocols: ["chat", "superchat"], deflate: nil)

    /// The request of RFC 6455, 1.2, changed.
    private func request(_ target: String = "/chat", _ change: (inout HTTPRequestHead) -> Void = { _ in })
        -> HTTPRequestHead
    {
        var request = HTTPRequestHead(
            .get, target,
            [
                "Host": "server.example.com", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "http://example.com",
                "Sec-WebSocket-Version": "13",
            ])
        change(&request)
        return request
    }

    @Test func `the RFC's request gets the RFC's answer`() throws {
        let request = request { $0.headers.add("Sec-WebSocket-Protocol", "superchat, chat") }
        let agreement = try terms.accept(request)
        #expect(agreement.subprotocol == "superchat")
        let answer = String(decoding: try agreement.answer.bytes(), as: UTF8.self)
        #expect(
            answer == """
                HTTP/1.1 101 Switching Protocols\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
                Sec-WebSocket-Protocol: superchat\r
                \r

                """)
    }

    @Test func `a subprotocol that is not spoken here is left out`() throws {
        let agreement = try terms.accept(request { $0.headers.add("Sec-WebSocket-Protocol", "soap") })
        #expect(agreement.subprotocol == nil)
        #expect(!agreement.answer.headers.contains("Sec-WebSocket-Protocol"))
    }

    @Test func `a path is compared without its query`() throws {
        _ = try terms.accept(request("/chat?room=1"))
        #expect(throws: WebSocketRefusal.path("/")) { try terms.accept(request("/")) }
    }

    private struct Refused: CustomTestStringConvertible {
        var testDescription: String
        var refusal: WebSocketRefusal
        var code: Int
        var change: @Sendable (inout HTTPRequestHead) -> Void
    }

    private static let refused: [Refused] = [
        Refused(testDescription: "POST", refusal: .method("POST"), code: 405) { $0.method = .post },
        Refused(testDescription: "1.0", refusal: .notAskedFor, code: 426) { $0.version = .http10 },
        Refused(testDescription: "no Upgrade", refusal: .notAskedFor, code: 426) { $0.headers["Upgrade"] = "h2c" },
        Refused(testDescription: "Connection", refusal: .notAskedFor, code: 426) { $0.headers["Connection"] = "close" },
        Refused(testDescription: "old", refusal: .version, code: 426) { $0.headers["Sec-WebSocket-Version"] = "8" },
        Refused(testDescription: "no version", refusal: .version, code: 426) {
            $0.headers["Sec-WebSocket-Version"] = nil
        },
        Refused(testDescription: "no key", refusal: .key, code: 400) { $0.headers["Sec-WebSocket-Key"] = nil },
        Refused(testDescription: "short key", refusal: .key, code: 400) { $0.headers["Sec-WebSocket-Key"] = "AAAA" },
        Refused(testDescription: "two keys", refusal: .key, code: 400) {
            $0.headers.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        },
        Refused(testDescription: "body", refusal: .body, code: 400) { $0.headers["Content-Length"] = "5" },
        Refused(testDescription: "chunks", refusal: .body, code: 400) { $0.headers["Transfer-Encoding"] = "chunked" },
    ]

    @Test(arguments: refused) private func `what asks for no WebSocket is refused with a status`(_ one: Refused) {
        #expect(throws: one.refusal) { try terms.accept(request("/chat", one.change)) }
        #expect(one.refusal.answer.status.code == one.code)
        #expect(one.refusal.answer.headers.contains("Sec-WebSocket-Version") == (one.code == 426))
    }

    @Test func `only the origins on the list may connect, and those that are no browsers`() throws {
        var terms = terms
        terms.origins = ["https://game.example.com"]
        #expect(throws: WebSocketRefusal.origin("http://example.com")) { try terms.accept(request()) }
        #expect(WebSocketRefusal.origin("x").answer.status == .forbidden)
        _ = try terms.accept(request { $0.headers["Origin"] = "https://GAME.example.com" })
        _ = try terms.accept(request { $0.headers["Origin"] = nil })
    }

    // MARK: The side that dials

    private let question = WebSocketQuestion(
        host: "example.org", target: "/chat?a=1", headers: ["Authorization": "Bearer x"], subprotocols: ["chat"],
        deflate: .init(windowBits: 15, keepsContext: false), key: Array("the sample nonce".utf8))

    private func answer(_ change: (inout HTTPResponseHead) -> Void) -> HTTPResponseHead {
        var answer = HTTPResponseHead(
            .switchingProtocols,
            [
                "Upgrade": "WebSocket", "Connection": "upgrade", "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            ])
        change(&answer)
        return answer
    }

    @Test func `what one side asks the other accepts, and what it answers is understood`() throws {
        #expect(question.request.headers["Authorization"] == "Bearer x")
        let terms = WebSocketTerms(
            path: "/chat", origins: nil, subprotocols: ["chat"], deflate: .init(windowBits: 10, keepsContext: true))
        let accepted = try terms.accept(question.request)
        let read = try question.read(accepted.answer)
        #expect(read.subprotocol == "chat" && accepted.subprotocol == "chat")
        #expect(read.deflate == accepted.deflate)
        #expect(read.deflate?.client == .init(windowBits: 10, keepsContext: false))
    }

    @Test func `an answer must prove that it was meant`() throws {
        #expect(try question.read(answer { _ in }).subprotocol == nil)
        let wrong: [(WebSocketAnswerError, (inout HTTPResponseHead) -> Void)] = [
            (.status(404, "Not Found"), { $0 = HTTPResponseHead(.notFound) }),
            (.notWebSocket, { $0.headers["Upgrade"] = "h2c" }), (.notWebSocket, { $0.headers["Connection"] = nil }),
            (.key, { $0.headers["Sec-WebSocket-Accept"] = "x" }), (.key, { $0.headers["Sec-WebSocket-Accept"] = nil }),
            (.subprotocol("soap"), { $0.headers["Sec-WebSocket-Protocol"] = "soap" }),
            (.extensions("other"), { $0.headers["Sec-WebSocket-Extensions"] = "other" }),
        ]
        for (error, change) in wrong { #expect(throws: error) { try question.read(answer(change)) } }
    }
}
