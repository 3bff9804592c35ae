import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp
@testable import OmniwayTransport

/// A token of a standard, and the key that has signed it.
struct RecordedToken: Decodable, Sendable, CustomTestStringConvertible {
    struct File: Decodable { let tokens: [RecordedToken] }
    let name: String
    let algorithm: String
    let key: [String]
    let token: String
    var testDescription: String { name }

    static func load() throws -> [RecordedToken] { try Vectors.decode(File.self, from: "webtoken-rfc").tokens }

    /// When the first two still hold.
    static let inTime = 1_300_819_379

    func webKey() throws -> WebToken.Key {
        let numbers = try key.map { try #require(Base64.decodeURL($0.utf8)) }
        switch algorithm {
        case "HS256": return try .hs256(numbers[0])
        case "ES256": return try .es256(pem: TestKeys.p256(numbers[0] + numbers[1]))
        default: return try .edDSA(pem: TestKeys.ed25519(numbers[0]))
        }
    }
}

enum TestKeys {
    /// Public keys as PEM has them: what kind of key, then its bytes.
    static func p256(_ numbers: [UInt8]) -> String {
        pem("3059301306072a8648ce3d020106082a8648ce3d03010703420004", numbers)
    }
    static func ed25519(_ bytes: [UInt8]) -> String { pem("302a300506032b6570032100", bytes) }

    private static func pem(_ head: String, _ bytes: [UInt8]) -> String {
        let body = Base64.encode((Vectors.bytes(head) ?? []) + bytes)
        let lines = [body.prefix(64), body.dropFirst(64)].filter { !$0.isEmpty }
        return "-----BEGIN PUBLIC KEY-----\n\(lines.joined(separator: "\n"))\n-----END PUBLIC KEY-----\n"
    }

    static let secret = Array("an example secret of 32 bytes, .".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        String(
            Base64.encode(bytes).compactMap { character in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    static func token(_ claims: String, header: String = #"{"alg":"HS256"}"#, key: [UInt8] = secret) -> String {
        let text = "\(encode(Array(header.utf8))).\(encode(Array(claims.utf8)))"
        return "\(text).\(encode(HMAC.sha256(Array(text.utf8), key: key)))"
    }
}

@Suite struct WebTokenTests {
    private static let now = 1_700_000_000

    private func verify(_ token: String, leeway: Duration = .zero) throws -> WebToken {
        try WebToken.verify(token, key: .hs256(TestKeys.secret), leeway: leeway, at: Self.now)
    }

    // MARK: Those of the standards

    @Test(arguments: try RecordedToken.load().prefix(2)) func `a token of the standard holds, and says what it says`(
        _ recorded: RecordedToken
    ) throws {
        let token = try WebToken.verify(recorded.token, key: recorded.webKey(), at: RecordedToken.inTime)
        #expect(token.claims["iss"] == "joe")
        #expect(token.claims["http://example.com/is_root"] == true)
        #expect(token.subject == nil)
        #expect(token.timeLeft(at: RecordedToken.inTime) == .seconds(1))
        let late = #expect(throws: WebTokenError.self) {
            try WebToken.verify(recorded.token, key: recorded.webKey(), at: RecordedToken.inTime + 1)
        }
        #expect(late == .expired)
    }

    @Test func `an Ed25519 signature of the standard is one, though what it signs is no token`() throws {
        let recorded = try #require(try RecordedToken.load().last)
        let key = try recorded.webKey()
        let parts = recorded.token.split(separator: ".")
        let signature = try #require(Base64.decodeURL(parts[2].utf8))
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        #expect(key.verifies(signature, of: signed))
        #expect(!key.verifies(signature, of: signed + [0]))
        #expect(throws: WebTokenError.malformed) { try WebToken.verify(recorded.token, key: key) }
    }

    @Test(arguments: try RecordedToken.load()) func `no cut and no changed byte of a token of the standard is taken`(
        _ recorded: RecordedToken
    ) throws {
        let key = try recorded.webKey()
        let bytes = Array(recorded.token.utf8)
        func isTaken(_ bytes: [UInt8]) -> Bool {
            (try? WebToken.verify(String(decoding: bytes, as: UTF8.self), key: key, at: RecordedToken.inTime)) != nil
        }
        #expect(isTaken(bytes) == (recorded.algorithm != "EdDSA"))
        for cut in bytes.indices { #expect(!isTaken(Array(bytes[..<cut])), "cut at \(cut)") }
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                #expect(!isTaken(flipped), "bit \(bit) of byte \(index)")
            }
        }
        for more in ["A", "=", ".", " ", "\n"] { #expect(!isTaken(bytes + Array(more.utf8)), "\(more)") }
        #expect(!isTaken([0] + bytes))
    }

    // MARK: Keys and algorithms

    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"None"}"#, #"{"alg":"ES256"}"#, #"{"alg":"EdDSA"}"#, #"{"alg":"HS384"}"#,
        #"{"alg":"hs256"}"#, #"{"alg":["HS256"]}"#, #"{"alg":null}"#, "{}", #"{"typ":"JWT"}"#,
    ]) func `the key says which algorithm, whatever the token says`(_ header: String) {
        let error = #expect(throws: WebTokenError.self) { try verify(TestKeys.token("{}", header: header)) }
        #expect(error == .otherAlgorithm(expected: "HS256"))
    }

    @Test func `a public key cannot be used as a secret`() throws {
        let recorded = try RecordedToken.load()[1]
        let numbers = try recorded.key.map { try #require(Base64.decodeURL($0.utf8)) }
        let pem = TestKeys.p256(numbers[0] + numbers[1])
        let forged = TestKeys.token("{}", key: Array(pem.utf8))
        #expect(throws: WebTokenError.otherAlgorithm(expected: "ES256")) {
            try WebToken.verify(forged, key: .es256(pem: pem))
        }
        let renamed = TestKeys.token("{}", header: #"{"alg":"ES256"}"#, key: Array(pem.utf8))
        #expect(throws: WebTokenError.wrongSignature) { try WebToken.verify(renamed, key: .es256(pem: pem)) }
    }

    @Test func `a token without a signature is none`() throws {
        let parts = TestKeys.token("{}").split(separator: ".")
        #expect(throws: WebTokenError.wrongSignature) { try verify("\(parts[0]).\(parts[1]).") }
        #expect(throws: WebTokenError.malformed) { try verify("\(parts[0]).\(parts[1])") }
        #expect(throws: WebTokenError.malformed) { try verify("") }
        #expect(throws: WebTokenError.malformed) { try verify("..") }
        #expect(throws: WebTokenError.wrongSignature) { try verify(TestKeys.token("{}", key: Array(0..<32))) }
    }

    @Test func `a signature of P-256 may begin with zeros, and one of zeros is none`() throws {
        let key = try RecordedToken.load()[1].webKey()
        let odd: [[UInt8]] = [Array(repeating: 0, count: 64), Array(repeating: 0xff, count: 64), []]
        for signature in odd {
            #expect(!key.verifies(signature, of: [1]))
        }
    }

    @Test func `a short secret and a key of another kind are refused at once`() throws {
        #expect(throws: WebTokenError.keyTooShort(bytes: 31)) {
            try WebToken.Key.hs256(Secret(String(repeating: "a", count: 31)))
        }
        _ = try WebToken.Key.hs256(Secret(String(repeating: "a", count: 32)))
        let numbers = try RecordedToken.load()[1].key.map { try #require(Base64.decodeURL($0.utf8)) }
        let p256 = TestKeys.p256(numbers[0] + numbers[1])
        #expect(throws: WebTokenError.otherKey(expected: "EdDSA")) { try WebToken.Key.edDSA(pem: p256) }
        let (certificate, _) = try Certificate.selfSigned(names: ["a"], days: 1)
        for text in ["", "no key", certificate.pem, String(p256.dropLast(60))] {
            #expect(throws: WebTokenError.otherKey(expected: "ES256")) { try WebToken.Key.es256(pem: text) }
        }
    }

    // MARK: Time

    @Test func `a token holds from nbf until before exp, and the leeway on both sides`() throws {
        func error(_ claims: String, leeway: Duration = .zero) -> WebTokenError? {
            do {
                _ = try verify(TestKeys.token(claims), leeway: leeway)
                return nil
            } catch { return error as? WebTokenError }
        }
        #expect(error("{}") == nil)
        #expect(error(#"{"exp":\#(Self.now + 1)}"#) == nil)
        #expect(error(#"{"exp":\#(Self.now)}"#) == .expired)
        #expect(error(#"{"exp":\#(Self.now).5}"#) == nil)
        #expect(error(#"{"nbf":\#(Self.now)}"#) == nil)
        #expect(error(#"{"nbf":\#(Self.now + 1)}"#) == .notYet)
        #expect(error(#"{"exp":\#(Self.now - 29),"nbf":\#(Self.now + 30)}"#, leeway: .seconds(30)) == nil)
        #expect(error(#"{"exp":\#(Self.now - 30)}"#, leeway: .seconds(30)) == .expired)
        #expect(error(#"{"nbf":\#(Self.now + 31)}"#, leeway: .seconds(30)) == .notYet)
        for odd in [#""1""#, "null", "1e999", "true", "[1]"] {
            #expect(error(#"{"exp":\#(odd)}"#) == .malformed, "\(odd)")
            #expect(error(#"{"nbf":\#(odd)}"#) == .malformed, "\(odd)")
        }
    }

    @Test func `the time left is never less than nothing, and never too much to wait for`() throws {
        #expect(try verify(TestKeys.token("{}")).timeLeft(at: Self.now) == nil)
        let token = try verify(TestKeys.token(#"{"exp":\#(Self.now + 60),"sub":"ann"}"#))
        #expect(token.timeLeft(at: Self.now) == .seconds(60))
        #expect(token.timeLeft(at: Self.now + 61) == .zero)
        #expect(token.subject == "ann")
        let endless = try #require(try verify(TestKeys.token(#"{"exp":1e300}"#)).timeLeft(at: Self.now))
        #expect(endless == .seconds(1_000_000_000_000))
    }

    // MARK: Bounds

    @Test func `what is signed and yet no object, or too much of one, is refused`() throws {
        let deep = String(repeating: "[", count: 20) + String(repeating: "]", count: 20)
        for claims in ["", "1", "[]", #"{"a":1,"a":2}"#, #"{"a":\#(deep)}"#, "{", "{} {}"] {
            #expect(throws: WebTokenError.malformed, "\(claims)") { try verify(TestKeys.token(claims)) }
        }
        let many = (0..<300).map { #""\#($0)":1"# }.joined(separator: ",")
        #expect(throws: WebTokenError.malformed) { try verify(TestKeys.token("{\(many)}")) }
        #expect(throws: WebTokenError.unknownExtension) {
            try verify(TestKeys.token("{}", header: #"{"alg":"HS256","crit":["b64"],"b64":false}"#))
        }
        let long = String(repeating: "a", count: WebToken.mostBytes)
        #expect(throws: WebTokenError.tooLong) { try verify(TestKeys.token(#"{"a":"\#(long)"}"#)) }
        #expect(throws: WebTokenError.tooLong) { try verify(long + "a") }
    }

    // MARK: In an app

    @Test func `a session lives as long as its token, longer with a new one, and ends when it is revoked`() async throws
    {
        let key = try WebToken.Key.hs256(TestKeys.secret)
        let app = App(type: "room")
        app.authenticate { session in
            guard case .string(let text)? = session.handshake?.user["token"] else {
                throw AppError(AppError.badRequest, "no token")
            }
            let token = try WebToken.verify(text, key: key, at: Self.now)
            try await session.bind(token.subject ?? "")
            session.expire(after: token.timeLeft(at: Self.now) ?? .seconds(3600))
        }
        app.on("room.refresh") { (text: String, context) in
            let token = try WebToken.verify(text, key: key, at: Self.now)
            guard token.subject == context.session.uid else { throw AppError(AppError.badRequest, "not your token") }
            context.session.expire(after: token.timeLeft(at: Self.now) ?? .seconds(3600))
            return true
        }
        let world = try await AppWorld(app)
        func token(_ user: String) -> String { TestKeys.token(#"{"sub":"\#(user)","exp":\#(Self.now + 20)}"#) }
        func come(_ token: String) async throws -> TestClient {
            let client = await world.client()
            let body = Array(#"{"sys":{},"user":{"token":"\#(token)"}}"#.utf8)
            await client.send(try PomeloPacket.bytes(.handshake, body))
            #expect(await client.packet()?.kind == .handshake)
            await client.send([2, 0, 0, 0])
            return client
        }
        let forged = try await come(TestKeys.token(#"{"sub":"ann"}"#, key: Array(0..<32)))
        #expect(await forged.isOver)

        let (ann, ben) = (try await come(token("ann")), try await come(token("ben")))
        world.world.advance(by: .seconds(15))
        #expect(await ann.ask("room.refresh", "\"\(token("ann"))\"") == "true")
        #expect(await ben.ask("room.refresh", "\"\(token("ann"))\"")?.contains("not your token") == true)
        world.world.advance(by: .seconds(15))
        #expect(await !ann.isOver)
        #expect(await ben.message()?.kind == "kick")
        #expect(await ben.isOver)
        #expect(try app.kick(["ann"]) == [])
        world.world.settle()
        #expect(await ann.message()?.kind == "kick")
        #expect(await ann.isOver)
    }
}
