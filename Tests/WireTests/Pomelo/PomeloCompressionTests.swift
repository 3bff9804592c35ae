import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloCompressionTests {
    private let pool = DeflatePool()

    private func inflate(_ bytes: [UInt8], atMost limit: Int = 1 << 16) throws(PomeloError) -> [UInt8] {
        try lending(bytes) { bytes throws(PomeloError) in
            try PomeloCompression.inflated(bytes, atMost: limit, by: pool)
        }
    }

    private func compress(_ bytes: [UInt8], from threshold: Int = 0) -> [UInt8]? {
        lending(bytes) { PomeloCompression(threshold: threshold).compressed($0, by: pool) }
    }

    @Test func `a body is compressed when it is long enough and becomes shorter`() throws {
        let letters = [UInt8](repeating: 0x61, count: 256)
        #expect(compress(letters, from: 257) == nil)
        let compressed = try #require(compress(letters, from: 256))
        #expect(compressed.count < 20)
        #expect(try inflate(compressed) == letters)
    }

    @Test func `a body that does not become shorter stays as it is`() {
        var random = SeededRandom(seed: 3)
        for count in [0, 1, 2, 7, 8, 100, 5000] {
            #expect(compress((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }) == nil)
        }
    }

    @Test(arguments: 1...30) func `bodies come back through a pool that others use too`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<5 {
            let letters = Int.random(in: 1...40, using: &random)
            let count = Int.random(in: 0...9000, using: &random)
            let body = (0..<count).map { _ in UInt8(Int.random(in: 0..<letters, using: &random)) }
            pool.give(pool.takeDeflater(windowBits: 15))
            if let compressed = compress(body) {
                #expect(compressed.count < body.count)
                #expect(try inflate(compressed) == body, "seed \(seed)")
            }
            #expect(try inflate(Deflater.deflate(body, .zlib)) == body, "seed \(seed)")
            #expect(throws: PomeloError.self) { try inflate(Deflater.deflate(body, .raw)) }
        }
    }

    /// 300 MiB of zeros, sent as 306 kB, took the original to 818 MB.
    @Test func `a bomb stops at the limit`() {
        let bomb = Deflater.deflate([UInt8](repeating: 0, count: 32 << 20), .zlib)
        #expect(bomb.count < 33_000)
        #expect(throws: PomeloError.malformedBody(.tooLarge(limit: 100_000))) { try inflate(bomb, atMost: 100_000) }
        #expect(throws: PomeloError.malformedBody(.tooLarge(limit: 0))) { try inflate(bomb, atMost: 0) }
    }

    @Test func `a body of exactly the limit passes`() throws {
        let body = [UInt8](repeating: 1, count: 70_000)
        let compressed = Deflater.deflate(body, .zlib)
        #expect(try inflate(compressed, atMost: 70_000) == body)
        #expect(throws: PomeloError.malformedBody(.tooLarge(limit: 69_999))) { try inflate(compressed, atMost: 69_999) }
    }

    @Test func `a broken stream is an error, and the next one is read`() throws {
        let whole = Deflater.deflate(Array("hello, hello, hello".utf8), .zlib)
        for cut in whole.indices { #expect(throws: PomeloError.self) { try inflate(Array(whole[..<cut])) } }
        #expect(throws: PomeloError.self) { try inflate(Array("plain".utf8)) }
        #expect(throws: PomeloError.malformedBody(.trailing(1))) { try inflate(whole + [0]) }
        #expect(throws: PomeloError.self) { try inflate(Deflater.deflate(Array("gzip".utf8), .gzip)) }
        #expect(try inflate(whole) == Array("hello, hello, hello".utf8))
    }
}
