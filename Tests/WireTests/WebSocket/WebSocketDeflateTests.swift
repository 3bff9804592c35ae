import OmniwayCrypto
import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct WebSocketDeflateTests {
    private let pool = DeflatePool()

    private func reader(keepsContext: Bool = false, most: Int = 1 << 20) -> WebSocketReader {
        var reader = WebSocketReader(.client, maxMessageSize: most)
        reader.inflates(by: pool, windowBits: 15, keepsContext: keepsContext)
        return reader
    }

    /// The payload of a message, compressed with so much room at a time.
    private func deflate(_ bytes: [UInt8], by deflation: WebSocketDeflation, room: Int = 256) -> [UInt8] {
        deflation.begin()
        var result: [UInt8] = []
        var output = [UInt8](repeating: 0, count: room)
        var at = 0
        while true {
            let progress = unsafe bytes.withUnsafeBytes { bytes in
                unsafe output.withUnsafeMutableBytes { output in
                    unsafe deflation.deflate(RawSpan(_unsafeBytes: bytes[at...]), isLast: true, into: output)
                }
            }
            result += output[..<progress.produced]
            at += progress.consumed
            if !progress.isFull { break }
        }
        deflation.end()
        return result
    }

    private func frames(_ payload: [UInt8], of size: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        var at = 0
        repeat {
            let end = min(payload.count, at + min(size, payload.count - at))
            bytes += frame(
                at == 0 ? .text : .continuation, Array(payload[at..<end]), final: end == payload.count,
                compressed: at == 0, masked: false)
            at = end
        } while at < payload.count
        return bytes
    }

    // MARK: The examples of RFC 7692, 7.2.3

    private let one: [UInt8] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]

    @Test func `the RFC's message arrives whole and in fragments`() {
        var reader = reader()
        #expect(reader.hear([0xc1, 0x07] + one) == [text("Hello")])
        #expect(reader.hear([0x41, 0x03] + one[..<3] + [0x80, 0x04] + one[3...]) == [text("Hello")])
        #expect(frames(one) == [0xc1, 0x07] + one)
    }

    @Test func `the RFC's second message refers to the first where that was agreed`() {
        var reader = reader(keepsContext: true)
        #expect(reader.hear([0xc1, 0x07] + one) == [text("Hello")])
        #expect(reader.hear([0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00]) == [text("Hello")])
        let deflation = WebSocketDeflation(pool: pool, windowBits: 15, keepsContext: true)
        #expect(deflate(Array("Hello".utf8), by: deflation) == one)
        #expect(deflate(Array("Hello".utf8), by: deflation) == [0xf2, 0x00, 0x11, 0x00, 0x00])
    }

    @Test func `without context the second message cannot refer to the first`() {
        var reader = reader()
        #expect(reader.hear([0xc1, 0x07] + one) == [text("Hello")])
        let heard = reader.hear([0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00])
        #expect(heard == [.error(.invalidCompression(.corrupt("invalid distance too far back")))])
        let deflation = WebSocketDeflation(pool: pool, windowBits: 15, keepsContext: false)
        #expect(deflate(Array("Hello".utf8), by: deflation) == one)
        #expect(deflate(Array("Hello".utf8), by: deflation) == one)
    }

    @Test func `the RFC's blocks arrive: stored, final, and two in one message`() {
        var reader = reader(keepsContext: true)
        let stored: [UInt8] = [0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]
        #expect(reader.hear(stored) == [text("Hello")])
        let final: [UInt8] = [0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]
        #expect(reader.hear(final) == [text("Hello")])
        let two: [UInt8] = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]
        #expect(reader.hear([0xc1, 0x0d] + two) == [text("Hello")])
    }

    @Test func `a message that ends with its final block needs no tail`() {
        var reader = reader(keepsContext: true)
        for _ in 0..<2 {
            #expect(reader.hear([0xc1, 0x07, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]) == [text("Hello")])
        }
        // The same, and the end of the message in a frame of its own.
        let split: [UInt8] = [0x41, 0x07, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x80, 0x00]
        for _ in 0..<2 { #expect(reader.hear(split) == [text("Hello")]) }
    }

    // MARK: Any message

    @Test(arguments: 1...40) func `messages come back, however they are cut and whatever room there is`(_ seed: UInt64)
    {
        var random = SeededRandom(seed: seed)
        let keepsContext = Bool.random(using: &random)
        let deflation = WebSocketDeflation(
            pool: pool, windowBits: Int.random(in: 9...15, using: &random), keepsContext: keepsContext)
        var reader = reader(keepsContext: keepsContext)
        for _ in 0..<5 {
            let letters = Int.random(in: 1...90, using: &random)
            let count = Int.random(in: 1...20_000, using: &random)
            let message = (0..<count).map { _ in UInt8(32 + Int.random(in: 0..<letters, using: &random)) }
            let payload = deflate(message, by: deflation, room: Int.random(in: 17...3000, using: &random))
            let bytes = frames(payload, of: Int.random(in: 1...5000, using: &random))
            let cuts = (0..<5).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
            let heard = reader.hear(bytes, cuts: cuts, scratch: Int.random(in: 512...8192, using: &random))
            #expect(heard == [.text(message)], "seed \(seed)")
        }
    }

    @Test func `a compressed text must be UTF-8 too`() {
        let deflation = WebSocketDeflation(pool: pool, windowBits: 15, keepsContext: false)
        var reader = reader()
        #expect(reader.hear(frames(deflate([0x61, 0xff], by: deflation))) == [.error(.invalidText)])
    }

    @Test func `a bomb stops at the limit of what it may become`() {
        let deflation = WebSocketDeflation(pool: pool, windowBits: 15, keepsContext: false)
        let bomb = frames(deflate([UInt8](repeating: 0, count: 1 << 22), by: deflation))
        #expect(bomb.count < 8192)
        var reader = reader(most: 50_000)
        let heard = reader.hear(bomb)
        #expect(heard.last == .error(.messageTooLarge(limit: 50_000)))
        for case .unended(let before) in heard { #expect(before.count <= 50_000) }
    }

    @Test func `what cannot be compressed may grow a little and still fits`() {
        var random = SeededRandom(seed: 7)
        let noise = (0..<10_000).map { _ in UInt8.random(in: 0...127, using: &random) }
        let stored: [UInt8] = [0x00, 0x10, 0x27, 0xef, 0xd8] + noise + [0x00]
        var reader = reader(most: noise.count)
        #expect(reader.hear(frames(stored)) == [.text(noise)])
    }

    /// The sender ends with a final block that fills the output, and an empty one in the last frame (RFC 7692,
    /// 7.2.3.4).
    @Test func `a final block may fill a piece, wherever its frames are cut`() {
        let letters = [UInt8](repeating: 0x61, count: 3072)  // What a piece has room for, of 4096 bytes.
        let block = Deflater.deflate(letters, .raw)
        let bytes =
            frame(.text, block, final: false, compressed: true, masked: false)
            + frame(.continuation, final: false, masked: false) + frame(.continuation, [0], masked: false)
        for keepsContext in [false, true] {
            var reader = reader(keepsContext: keepsContext)
            #expect(reader.hear(bytes) == [.text(letters)])
            #expect(reader.hear([0xc1, 0x07] + one) == [text("Hello")])
        }
    }

    @Test func `compressed bytes that become nothing do not hold up what follows`() {
        let nothing = (0..<2000).flatMap { _ in [0, 0, 0, 0xff, 0xff] as [UInt8] }
        var reader = reader()
        #expect(reader.hear(frames(nothing + one)) == [text("Hello")])
    }
}
