import OmniwayWire
import Testing

@testable import OmniwayTunnel

@Suite struct KeptBytesTests {
    @Test func `what was kept comes out as it went in`() {
        var kept = KeptBytes()
        var (put, got): ([UInt8], [UInt8]) = ([], [])
        for round in 0..<100 {
            let more = [UInt8](repeating: UInt8(round), count: round * 37)
            unsafe kept.append(more.span.bytes, expected: 4 << 10)
            put += more
            let (bytes, range) = kept.take(1500)
            got += bytes[range]
        }
        while !kept.isEmpty {
            let (bytes, range) = kept.take(1500)
            got += bytes[range]
        }
        #expect(got == put)
    }

    @Test func `a slow reader, who never takes all, holds no more than there is`() {
        var kept = KeptBytes()
        let piece = [UInt8](repeating: 1, count: 16 << 10)
        for _ in 0..<8 { unsafe kept.append(piece.span.bytes, expected: 128 << 10) }
        for _ in 0..<10_000 {
            _ = kept.take(16 << 10)
            unsafe kept.append(piece.span.bytes, expected: 128 << 10)
        }
        #expect(kept.count == 128 << 10)
        #expect(kept.held <= 512 << 10)
    }

    @Test func `nothing kept holds nothing`() {
        var kept = KeptBytes()
        let three: [UInt8] = [1, 2, 3]
        unsafe kept.append(three.span.bytes, expected: 64 << 10)
        #expect(kept.held >= 64 << 10)
        _ = kept.take(3)
        #expect(kept.isEmpty)
        #expect(kept.held == 0)
    }
}
