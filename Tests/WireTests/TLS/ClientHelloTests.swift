import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct ClientHelloTests {
    /// A hello as RFC 8446 writes it, with these extensions, in records of so many bytes.
    private func hello(_ extensions: [(Int, [UInt8])]?, record: Int = 1 << 14) -> [UInt8] {
        var body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0]
        if let extensions {
            let all = extensions.flatMap { word($0.0) + word($0.1.count) + $0.1 }
            body += word(all.count) + all
        }
        let message: [UInt8] = [1, 0] + word(body.count) + body
        return stride(from: 0, to: message.count, by: record).flatMap { start in
            let piece = message[start..<min(start + record, message.count)]
            return [0x16, 3, 1] + word(piece.count) + piece
        }
    }

    private func word(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }
    private func name(_ text: String) -> (Int, [UInt8]) {
        (0, word(text.utf8.count + 3) + [0] + word(text.utf8.count) + Array(text.utf8))
    }
    private func decode(_ bytes: [UInt8]) throws(ClientHelloError) -> ClientHello? {
        try lending(bytes) { bytes throws(ClientHelloError) in try ClientHello.decode(bytes) }
    }

    @Test(arguments: [1 << 14, 100, 7, 1])
    func `the name is found however the hello is cut`(record: Int) throws {
        let protocols: (Int, [UInt8]) = (16, [0, 12, 2, 0x68, 0x32, 8] + Array("http/1.1".utf8))
        let bytes = hello([(10, [0, 2, 0, 29]), name("Shop.Example"), protocols], record: record)
        let read = try #require(try decode(bytes + [0x17, 3, 3, 0, 1, 0]))
        #expect(read.serverName == "shop.example")
        #expect(read.protocols == ["h2", "http/1.1"])
        for cut in bytes.indices { #expect(try decode(Array(bytes[..<cut])) == nil) }
    }

    @Test func `a hello without a name, or without extensions, has none`() throws {
        #expect(try decode(hello([]))?.serverName == nil)
        #expect(try #require(try decode(hello(nil))).serverName == nil)
    }

    @Test func `what is not TLS is not waited for`() {
        for bytes: [UInt8] in [Array("GET / HTTP/1.1".utf8), [0x15, 3, 1], [0x16, 2, 0, 0, 0], [0x16, 3, 1, 0, 1, 2]] {
            #expect(throws: ClientHelloError.notTLS) { try decode(bytes) }
        }
    }

    @Test func `lengths that do not fit, and names that are there twice, are refused`() {
        let whole = hello([name("a.example")])
        for place in [43, 44, 48] {  // The lengths of the session id, the suites and the compressions.
            var bytes = whole
            bytes[place] = 0xff
            #expect(throws: ClientHelloError.malformed) { try decode(bytes) }
        }
        let two: (Int, [UInt8]) = (0, word(8) + [0] + word(1) + [0x61] + [0] + word(1) + [0x62])
        let bad = [
            [name("a"), name("b")], [(0, [0, 0])], [(0, [])], [(0, word(5) + [0] + word(9) + [0x61, 0x61])], [name("")],
            [name("a\u{0}b")], [two], [(16, [0, 1, 0])], [(16, [0, 3, 9, 0x61, 0x61])],
        ]
        for extensions in bad { #expect(throws: ClientHelloError.malformed) { try decode(hello(extensions)) } }
    }

    @Test func `a hello that is too large is refused before it is there`() {
        let large = hello([name("a.example"), (21, [UInt8](repeating: 0, count: 20_000))])
        #expect(throws: ClientHelloError.tooLarge) { try decode(Array(large[..<100])) }
        let crumbs = hello([name("a.example"), (21, [UInt8](repeating: 0, count: 9000))], record: 1)
        #expect(throws: ClientHelloError.tooLarge) { try decode(Array(crumbs[..<ClientHello.mostBytes])) }
    }

    @Test func `any bytes are read to their end or refused`() {
        var random = SeededRandom(seed: 4)
        let whole = hello([(10, [0, 2, 0, 29]), name("shop.example"), (16, [0, 3, 2, 0x68, 0x32])])
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(ClientHelloError) { _ = try decode(bytes) } catch { refused += 1 }
        }
        #expect(refused > 1000)
    }
}
