import Testing

@testable import OmniwayWire

@Suite struct WebSocketMaskTests {
    @Test func `masking follows the RFC byte by byte, from any phase and at any length`() {
        let key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
        for count in 0..<200 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            for phase in 0..<5 {
                let expected = bytes.enumerated().map { $1 ^ key[($0 + phase) % 4] }
                #expect(bytes.masked(WebSocketMask(0x3d21_fa37).advanced(by: phase)) == expected)
            }
        }
    }

    @Test func `masking twice is nothing`() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        let mask = WebSocketMask(0x0102_0304)
        #expect(bytes.masked(mask).masked(mask) == bytes)
        #expect(mask.bytes == [4, 3, 2, 1])
    }
}
