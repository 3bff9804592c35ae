import Testing

@testable import OmniwayCrypto

@Suite struct DeflationTests {
    private let hello = Array("Hello".utf8)

    /// What a sync flush of `pieces` gives, each into `room` bytes at a time.
    private func deflate(_ bytes: [UInt8], with deflater: Deflater, room: Int = 4096) -> [UInt8] {
        var result: [UInt8] = []
        var output = [UInt8](repeating: 0, count: room)
        var at = 0
        while true {
            let progress = unsafe bytes.withUnsafeBytes { bytes in
                unsafe output.withUnsafeMutableBytes { output in
                    unsafe deflater.deflate(RawSpan(_unsafeBytes: bytes[at...]), .sync, into: output)
                }
            }
            result += output[..<progress.produced]
            at += progress.consumed
            if !progress.isFull { return result }
        }
    }

    private func inflate(_ bytes: [UInt8], with inflater: Inflater, room: Int = 4096) throws -> [UInt8] {
        var result: [UInt8] = []
        var output = [UInt8](repeating: 0, count: room)
        var at = 0
        while true {
            let progress = try unsafe bytes.withUnsafeBytes { bytes in
                try unsafe output.withUnsafeMutableBytes { output in
                    try unsafe inflater.inflate(RawSpan(_unsafeBytes: bytes[at...]), into: output)
                }
            }
            result += output[..<progress.produced]
            at += progress.consumed
            if !progress.isFull, at == bytes.count || progress.hasEnded { return result }
        }
    }

    @Test func `Hello deflates to the bytes of RFC 7692 and the tail of a sync flush`() {
        #expect(
            deflate(hello, with: Deflater(.raw)) == [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff])
    }

    @Test func `a second Hello refers to the first, and after a reset it does not`() throws {
        let deflater = Deflater(.raw)
        let first = deflate(hello, with: deflater)
        #expect(deflate(hello, with: deflater) == [0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff])
        deflater.reset()
        #expect(deflate(hello, with: deflater) == first)
    }

    @Test(arguments: 9...15) func `every window comes back, with little room or much`(_ bits: Int) throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7 ^ ($0 >> 9)) }
        let deflater = Deflater(.raw, windowBits: bits)
        let inflater = Inflater(.raw, windowBits: bits)
        for room in [7, 100, 65_536] {
            let compressed = deflate(bytes, with: deflater, room: room)
            #expect(compressed.suffix(4) == [0, 0, 0xff, 0xff])
            #expect(try inflate(compressed, with: inflater, room: room) == bytes)
        }
    }

    @Test func `bytes wrapped by zlib are those of every other zlib`() throws {
        // Python: zlib.compress(b"Hello")
        let known: [UInt8] = [0x78, 0x9c, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x05, 0x8c, 0x01, 0xf5]
        #expect(Deflater.deflate(hello, .zlib) == known)
        #expect(try Inflater.inflate(known, .zlib, atMost: 5) == hello)
        #expect(try Inflater.inflate(Deflater.deflate([], .zlib), .zlib, atMost: 0) == [])
    }

    @Test func `every cut is told apart from broken bytes`() throws {
        let whole = Deflater.deflate(Array("a message that is cut".utf8), .zlib)
        for cut in whole.indices {
            #expect(throws: DeflateError.truncated(cut)) {
                try Inflater.inflate(Array(whole[..<cut]), .zlib, atMost: 100)
            }
        }
        #expect(throws: DeflateError.trailing(1)) { try Inflater.inflate(whole + [0], .zlib, atMost: 100) }
    }

    @Test func `broken bytes say what is broken`() {
        var checksum = Deflater.deflate(hello, .zlib)
        checksum[checksum.count - 1] ^= 1
        for (bytes, words) in [
            ([0x12, 0x34], "incorrect header check"), (checksum, "incorrect data check"),
            // A zlib header that asks for a dictionary.
            ([0x78, 0xbb, 0x00, 0x00, 0x00, 0x01], "they ask for a dictionary"),
        ] as [([UInt8], String)] {
            #expect(throws: DeflateError.corrupt(words)) { try Inflater.inflate(bytes, .zlib, atMost: 100) }
        }
        #expect(throws: DeflateError.corrupt("invalid block type")) {
            try Inflater.inflate([0x07], .raw, atMost: 100)
        }
    }

    @Test func `a bomb stops at the limit`() {
        let bomb = Deflater.deflate([UInt8](repeating: 0, count: 1 << 22), .zlib, level: 9)
        #expect(bomb.count < 8192)
        #expect(throws: DeflateError.tooLarge(limit: 100_000)) { try Inflater.inflate(bomb, .zlib, atMost: 100_000) }
    }

    @Test func `a stream that ended goes on with the same window, if told to`() throws {
        // RFC 7692, 7.2.3.4: a final block, and an empty one behind it.
        let inflater = Inflater(.raw)
        #expect(try inflate([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], with: inflater) == hello)
        inflater.startNext()
        #expect(try inflate([0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff], with: inflater) == hello)
    }
}
