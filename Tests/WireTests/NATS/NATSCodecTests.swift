import OmniwayTesting
import OmniwayWire
import Testing

/// One message of the captured conversation between two pitaya servers.
private struct Traced: Decodable, Sendable, CustomStringConvertible {
    let message: String
    let subject: String
    let reply: String?
    let payload: String
    var description: String { "\(message) to \(subject)" }
    var bytes: [UInt8] { Vectors.bytes(payload) ?? [] }

    struct File: Decodable { let messages: [Traced] }
    static func all() throws -> [Traced] { try Vectors.decode(File.self, from: "pitaya-nats-trace").messages }
}

private func raw<R>(_ text: String, _ body: (RawSpan) -> R) -> R { lending(Array(text.utf8)) { body($0) } }

@Suite struct NATSCodecTests {
    private let codec = NATSCodec(maxPayload: 1 << 20)

    /// All operations of some bytes, and how many bytes they took.
    private func read(_ bytes: [UInt8], _ codec: NATSCodec? = nil) throws(NATSError) -> ([NATSOperation], Int) {
        var operations: [NATSOperation] = []
        var offset = 0
        try lending(bytes) { span throws(NATSError) in
            while let operation = try (codec ?? self.codec).next(in: span, at: &offset) { operations.append(operation) }
        }
        return (operations, offset)
    }

    private func one(_ text: String) throws(NATSError) -> NATSOperation? {
        let (operations, offset) = try read(Array(text.utf8))
        #expect(offset == text.utf8.count || operations.isEmpty)
        return operations.first
    }

    private func written(_ traced: Traced, headers: [UInt8] = [], sid: UInt64 = 7) -> [UInt8] {
        var writer = NATSWriter()
        raw(traced.subject) { subject in
            raw(traced.reply ?? "") { reply in
                lending(headers) { headers in
                    lending(traced.bytes) { payload in
                        writer.message(subject, sid: sid, reply: reply, headers: headers, payload: payload)
                    }
                }
            }
        }
        return writer.bytes
    }

    @Test func `recorded messages are read as they were written, whatever headers they have`() throws {
        let headers = try #require(NATSHeaderBlock.encode([("traceparent", "00-1-2-01"), ("b", "")]))
        for traced in try Traced.all() {
            for headers in [[], headers] {
                let bytes = written(traced, headers: headers)
                guard case .message(let message) = try read(bytes).0.first else {
                    Issue.record("\(traced) was not read")
                    continue
                }
                #expect(message.sid == 7)
                #expect(bytes[message.subject] == Array(traced.subject.utf8)[...])
                #expect(bytes[message.reply] == Array((traced.reply ?? "").utf8)[...])
                #expect(bytes[message.headers] == headers[...])
                #expect(bytes[message.payload] == traced.bytes[...])
            }
        }
    }

    @Test func `a recorded message that is cut anywhere waits, and takes nothing`() throws {
        for traced in try Traced.all().prefix(12) {
            let bytes = written(traced, headers: NATSHeaderBlock.noResponders)
            for cut in bytes.indices {
                let (operations, offset) = try read(Array(bytes[..<cut]))
                #expect(operations.isEmpty && offset == 0, "\(traced) cut at \(cut)")
            }
        }
    }

    @Test func `a stream of everything is read the same in pieces of any size`() throws {
        var stream = Array("INFO {\"a\":1} \r\n+OK\r\nPING\r\npong\r\n-ERR 'Slow Consumer'\r\n".utf8)
        for traced in try Traced.all().prefix(6) { stream += written(traced) }
        let whole = try read(stream).0
        #expect(whole.count == 11)
        for size in [1, 2, 3, 7, 50, 1000] {
            var (waiting, count) = ([UInt8](), 0)
            for start in stride(from: 0, to: stream.count, by: size) {
                waiting += stream[start..<min(start + size, stream.count)]
                let (operations, offset) = try read(waiting)
                count += operations.count
                waiting.removeFirst(offset)
            }
            #expect(count == whole.count && waiting.isEmpty, "pieces of \(size)")
        }
    }

    @Test func `the operations of both sides are read, in any case and with any blanks`() throws {
        #expect(try one("PING\r\n") == .ping)
        #expect(try one("pOnG\n") == .pong)
        #expect(try one("+OK\r\n") == .ok)
        #expect(try one("-ERR 'no'\r\n") == .error(6..<8))
        #expect(try one("-ERR\r\n") == .error(4..<4))
        #expect(try one("INFO {}\r\n") == .info(5..<7))
        #expect(try one("CONNECT\t{} \r\n") == .connect(8..<10))
        #expect(try one("SUB a.b 9\r\n") == .subscribe(subject: 4..<7, group: 7..<7, sid: 9))
        #expect(try one("sub  a.b\tg 10\r\n") == .subscribe(subject: 5..<8, group: 9..<10, sid: 10))
        #expect(try one("UNSUB 3\r\n") == .unsubscribe(sid: 3, after: nil))
        #expect(try one("UNSUB 3 5\r\n") == .unsubscribe(sid: 3, after: 5))
        let message = NATSMessage(subject: 4..<5, sid: 0, reply: 5..<5, headers: 9..<9, payload: 9..<9)
        #expect(try one("PUB s 0\r\n\r\n") == .publish(message))
        let headed = NATSMessage(subject: 5..<6, sid: 0, reply: 7..<8, headers: 14..<15, payload: 15..<17)
        #expect(try one("HPUB s r 1 3\r\nabc\r\n") == .publish(headed))
    }

    @Test(arguments: [
        "MSG a\r\n", "MSG a 1\r\n", "MSG a x 1\r\n", "MSG a 1 r\r\n", "MSG a 1 r 1 1\r\n", "MSG a 1 -1\r\n",
        "HMSG a 1 2\r\n", "HMSG a 1 3 2\r\n", "HMSG a 1 r 2 3 4\r\n", "PUB\r\n", "PUB a\r\n", "PUB a b c d\r\n",
        "MSG a 1 9999999999999999999\r\n", "SUB a\r\n", "SUB a b c d\r\n", "SUB a x\r\n", "UNSUB\r\n", "UNSUB x\r\n",
        "UNSUB 1 x\r\n", "UNSUB 1 2 3\r\n", "GET / HTTP/1.1\r\n", " PING\r\n", "\r\n", "CONNECTING {}\r\n",
        "MSG a 1 1\r\nxyz", "MSG a 1 1048577\r\n",
    ])
    func `what is no NATS is refused`(_ text: String) {
        #expect(throws: NATSError.self) { try one(text) }
    }

    @Test func `a line without an end is refused before it fills the memory`() throws {
        let most = NATSCodec.maxLine
        #expect(try read([UInt8](repeating: 0x41, count: most)).0.isEmpty)
        #expect(throws: NATSError.lineTooLong(limit: most)) { try read([UInt8](repeating: 0x41, count: most + 1)) }
        let long = Array("INFO ".utf8) + [UInt8](repeating: 0x41, count: most) + [0x0d, 0x0a]
        #expect(throws: NATSError.lineTooLong(limit: most)) { try read(long) }
    }

    @Test func `any bytes are read or refused`() {
        var random = SeededRandom(seed: 4)
        let words = [
            "MSG ", "HMSG ", "PUB ", "a ", "1 ", "2 ", "\r\n", "\n", "-ERR ", "INFO ", "{", "x", "SUB ", "\u{0}",
        ]
        for _ in 0..<20_000 {
            let count = Int(random.next() % 12)
            let text = (0..<count).map { _ in words[Int(random.next() % UInt64(words.count))] }.joined()
            do throws(NATSError) {
                let (_, offset) = try read(Array(text.utf8))
                #expect(offset <= text.utf8.count)
            } catch { #expect(!error.description.isEmpty) }
        }
    }

    @Test func `what is written can be read`() throws {
        var writer = NATSWriter()
        writer.connect(Array("{}".utf8))
        writer.subscribe("a.*", group: nil, sid: 1)
        writer.subscribe("a.>", group: "g", sid: 1 << 40)
        writer.unsubscribe(90)
        raw("s") { subject in
            raw("r") { reply in
                lending([1, 2]) { writer.publish(subject, reply: reply, headers: RawSpan(), payload: $0) }
            }
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == "CONNECT {}\r\nSUB a.* 1\r\nSUB a.> g 1099511627776\r\nUNSUB 90\r\nPUB s r 2\r\n\u{1}\u{2}\r\n")
        #expect(try read(writer.bytes).0.count == 5)
        writer.clear()
        #expect(writer.bytes.isEmpty)
    }

    // MARK: Headers

    @Test func `headers keep their order and their values`() throws {
        let block = try #require(NATSHeaderBlock.encode([("A", "1"), ("b", "x: y"), ("A", "")]))
        #expect(String(decoding: block, as: UTF8.self) == "NATS/1.0\r\nA: 1\r\nb: x: y\r\nA: \r\n\r\n")
        let fields = lending(block) { NATSHeaderBlock.fields(of: $0) }
        #expect(fields.map(\.name) == ["A", "b", "A"] && fields.map(\.value) == ["1", "x: y", ""])
        #expect(lending(block) { NATSHeaderBlock.status(of: $0) } == nil)
        #expect(lending(NATSHeaderBlock.noResponders) { NATSHeaderBlock.status(of: $0) } == 503)
        #expect(lending(Array("NATS/1.0 5x3\r\n".utf8)) { NATSHeaderBlock.status(of: $0) } == nil)
    }

    @Test(arguments: [("", "v"), ("a b", "v"), ("a:", "v"), ("a", "v\r\nb: w"), ("ä", "v")])
    func `headers that would be read as others are not written`(_ name: String, _ value: String) {
        #expect(NATSHeaderBlock.encode([(name, value)]) == nil)
    }

    // MARK: Greetings

    @Test func `a server's greeting is read, and what is unknown in it passed over`() throws {
        let text = """
            {"server_id":"NCX","server_name":"a","version":"2.9.10","proto":1,"headers":true,"max_payload":2048,\
            "tls_required":true,"nonce":"abc","connect_urls":["10.0.0.1:4222","[::1]:4222"],"ldm":true,"xkey":null}
            """
        let info = try raw(text) { json in Result { () throws(NATSError) in try NATSServerInfo(json: json) } }.get()
        #expect(info.id == "NCX" && info.maxPayload == 2048 && info.hasHeaders && info.requiresTLS && info.offersTLS)
        #expect(info.nonce == "abc" && info.others == ["10.0.0.1:4222", "[::1]:4222"] && info.isLeaving)
        let again = lending(info.json) { json in Result { () throws(NATSError) in try NATSServerInfo(json: json) } }
        #expect(try again.get() == info)
    }

    @Test(arguments: ["", "[", "{\"max_payload\":0}", "{\"max_payload\":\"x\"}", "{\"connect_urls\":[1]}"])
    func `a greeting that makes no sense is refused`(_ text: String) {
        #expect(throws: NATSError.self) {
            try raw(text) { json in Result { () throws(NATSError) in try NATSServerInfo(json: json) } }.get()
        }
    }

    @Test func `a server that allows messages without measure gets none above the limit`() throws {
        let text = "{\"max_payload\":9000000000000}"
        let info = try raw(text) { json in Result { () throws(NATSError) in try NATSServerInfo(json: json) } }.get()
        #expect(info.maxPayload == NATSServerInfo.mostPayload)
    }

    // MARK: Keys

    /// The pair that the documentation of NATS has as what `nk -gen user -pubout` printed.
    @Test func `a seed has the public key that others derive from it`() throws {
        let documented = try NATSKey(seed: "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY")
        #expect(documented.publicText == "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4")
        let text = NATSKey.seedText([UInt8](repeating: 7, count: 32))
        #expect(text.hasPrefix("SU") && text.utf8.count == 58)
        let key = try NATSKey(seed: text)
        #expect(key.publicText.hasPrefix("U") && key.publicText.utf8.count == 56)
        #expect(key.sign("nonce") == key.sign("nonce") && !key.sign("nonce").contains { "+/=".contains($0) })
    }

    @Test func `a seed with a changed character, and what is none, are refused`() throws {
        let text = NATSKey.seedText([UInt8](repeating: 7, count: 32))
        let changed = text.prefix(20) + (text.dropFirst(20).first == "A" ? "B" : "A") + text.dropFirst(21)
        #expect(throws: NATSKeyError.wrongChecksum) { try NATSKey(seed: String(changed)) }
        #expect(throws: NATSKeyError.malformed) { try NATSKey(seed: "") }
        #expect(throws: NATSKeyError.malformed) { try NATSKey(seed: "su" + text.dropFirst(2)) }
        #expect(throws: NATSKeyError.malformed) { try NATSKey(seed: String(text.dropLast())) }
        #expect(throws: NATSKeyError.malformed) { try NATSKey(seed: NATSKey(seed: text).publicText) }
    }

    @Test func `a credentials file has its two parts between lines of dashes`() {
        let text = """
            -----BEGIN NATS USER JWT-----
            eyJ0
            ------END NATS USER JWT------

            ************************* IMPORTANT *************************
            -----BEGIN USER NKEY SEED-----
            SUAB
            ------END USER NKEY SEED------
            """
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let parts = NATSCredentialsFile.parse(lines)
        #expect(parts?.certificate == "eyJ0" && parts?.seed == "SUAB")
        #expect(NATSCredentialsFile.parse(Array(lines.prefix(3))) == nil)
        #expect(NATSCredentialsFile.parse(["-----BEGIN NATS USER JWT-----", "--", "BEGIN USER NKEY SEED"]) == nil)
    }
}
