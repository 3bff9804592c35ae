import OmniwayWire
import Testing

@Suite struct HTTPHeadTests {
    @Test func `a request is written as it was built`() throws {
        let head = HTTPRequestHead(.get, "/path?q=1", ["Host": "example.org", "Accept": "*/*"])
        let text = "GET /path?q=1 HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n"
        #expect(try head.bytes() == Array(text.utf8))
        #expect(HTTPTranscript(requests: [try head.bytes()]).requests == [head])
    }

    @Test func `a response is written as it was built`() throws {
        let head = HTTPResponseHead(.notFound, ["Content-Length": "0"])
        #expect(try head.bytes() == Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".utf8))
        let old = HTTPResponseHead(.ok, reason: "Fine", version: .http10)
        #expect(try old.bytes() == Array("HTTP/1.0 200 Fine\r\n\r\n".utf8))
        let transcript = HTTPTranscript(responsesTo: [.get], pieces: [try old.bytes()])
        #expect(transcript.responses == [old])
    }

    @Test(arguments: ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\u{7f}b"])
    func `a value that would begin another line is not written`(_ value: String) {
        #expect(throws: HTTPWriteError.fieldValue(name: "X")) { try HTTPRequestHead(.get, "/", ["X": value]).bytes() }
        #expect(throws: HTTPWriteError.fieldValue(name: "X")) { try HTTPResponseHead(.ok, ["X": value]).bytes() }
        #expect(throws: HTTPWriteError.reason(value)) { try HTTPResponseHead(.ok, reason: value).bytes() }
    }

    @Test(arguments: ["", "a b", "a:", "a\r\n", "é"])
    func `a name that is no token is not written`(_ name: String) {
        #expect(throws: HTTPWriteError.fieldName(name)) { try HTTPRequestHead(.get, "/", [name: "1"]).bytes() }
        #expect(throws: HTTPWriteError.method(name)) { try HTTPRequestHead(HTTPMethod(rawValue: name), "/").bytes() }
    }

    @Test(arguments: ["", "/a b", "/\r\n", "/é", "/#a"])
    func `a target that is no URI is not written`(_ target: String) {
        #expect(throws: HTTPWriteError.target(target)) { try HTTPRequestHead(.get, target).bytes() }
    }

    @Test func `fields are found whatever their case is, and keep it`() {
        var headers: HTTPHeaders = ["Host": "a", "X-One": "1", "x-one": "2"]
        #expect(headers["hOST"] == "a")
        #expect(headers.values(of: "X-ONE") == ["1", "2"])
        #expect(headers["X-Two"] == nil)
        headers["x-one"] = "3"
        headers.add("X-Two", "4")
        #expect(headers.map { "\($0.name)=\($0.value)" } == ["Host=a", "x-one=3", "X-Two=4"])
        headers["Host"] = nil
        #expect(!headers.contains("host"))
        #expect(headers.count == 2)
    }

    @Test func `headers are equal when their fields are`() {
        let headers: HTTPHeaders = ["A": "1", "B": "2"]
        #expect(headers == ["a": "1", "b": "2"])
        #expect(headers != ["B": "2", "A": "1"])
        #expect(headers != ["A": "1"])
        #expect(headers != ["A": "1", "B": "3"])
    }

    @Test func `a list is one, in how many fields it may stand`() {
        let headers: HTTPHeaders = [
            "Connection": "keep-alive, Upgrade,,", "connection": "\tclose ",
            "X": "a=\"1, 2\", b=\"\\\", c\"",
        ]
        #expect(headers.list("connection") == ["keep-alive", "Upgrade", "close"])
        #expect(headers.list("x") == ["a=\"1, 2\"", "b=\"\\\", c\""])
        #expect(headers.lists("Connection", "upgrade"))
        #expect(!headers.lists("Connection", "up"))
        #expect(headers.list("none").isEmpty)
    }

    @Test func `a target has a path, a query and parameters`() {
        let head = HTTPRequestHead(.get, "/a%20b/c?x=1&name=J%C3%BCrgen+M&empty&bad=%f")
        #expect(head.path == "/a%20b/c")
        #expect(head.query == "x=1&name=J%C3%BCrgen+M&empty&bad=%f")
        #expect(head.queryValue("name") == "Jürgen M")
        #expect(head.queryValue("empty") == "")
        #expect(head.queryValue("bad") == nil)
        #expect(head.queryValue("none") == nil)
        #expect(HTTPRequestHead(.get, "/").query == nil)
        #expect(HTTPRequestHead(.get, "HTTP://a:80?b").path == "/")
        #expect(HTTPRequestHead(.get, "http://a:80/b?c=/d").path == "/b")
        #expect(HTTPRequestHead(.get, "http://a:80?b").query == "b")
        #expect(HTTPRequestHead(.options, "*").path == "")
        #expect(HTTPPercent.decode("%ff") == nil)
    }

    @Test func `an upgrade is asked for by two fields`() {
        let head = HTTPRequestHead(.get, "/", ["Connection": "keep-alive, Upgrade", "Upgrade": "h2c, WebSocket"])
        #expect(head.asksUpgrade(to: "websocket"))
        #expect(!head.asksUpgrade(to: "chat"))
        #expect(!HTTPRequestHead(.get, "/", ["Upgrade": "websocket"]).asksUpgrade(to: "websocket"))
    }

    @Test func `tokens are the characters of RFC 9110`() throws {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max where byte < 128 {
            let name = String(decoding: [byte], as: UTF8.self)
            let isWritten = (try? HTTPRequestHead(.get, "/", [name: ""]).bytes()) != nil
            #expect(isWritten == tokens.contains(byte), "\(byte)")
        }
    }

    @Test func `an error has the status that a server answers`() {
        let errors: [HTTPMessageError] = [.bareLineFeed, .headTooLarge(limit: 1), .unsupportedVersion("HTTP/3.0")]
        #expect(errors.map(\.status) == [.badRequest, .headersTooLarge, .versionNotSupported])
        #expect("\(HTTPStatus.notFound)" == "404 Not Found")
        #expect(HTTPStatus(599).reason == "")
    }
}
