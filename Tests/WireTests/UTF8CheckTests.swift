import Testing

@testable import OmniwayWire

@Suite struct UTF8CheckTests {
    private func check(_ pieces: [ArraySlice<UInt8>]) -> Bool {
        var check = UTF8Check()
        for piece in pieces {
            let isValid = unsafe Array(piece).withUnsafeBytes { unsafe check.check(RawSpan(_unsafeBytes: $0)) }
            if !isValid { return false }
        }
        return check.isComplete
    }

    @Test func `every character is valid, whole and in pieces`() {
        for value in UInt32(0)...0x10ffff {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(String(scalar).utf8)
            guard value < 0x100 || value % 97 == 0 || value > 0x10fff0 || [0x7ff, 0x800, 0xffff].contains(value) else {
                continue
            }
            #expect(check([bytes[...]]))
            for cut in 1..<max(1, bytes.count) {
                #expect(check([bytes[..<cut], bytes[cut...]]))
                #expect(!check([bytes[..<cut]]))
            }
        }
    }

    /// The standard library agrees: a string made of valid bytes has no replacement characters and the same bytes.
    @Test func `any two and three bytes are judged as the standard library does`() {
        for first in UInt8(0x70)...0xff {
            for second in UInt8(0)...0xff {
                for bytes in [[first, second], [first, second, 0x80], [first, second, 0xbf, 0xbf]] as [[UInt8]] {
                    #expect(check([bytes[...]]) == (Array(String(decoding: bytes, as: UTF8.self).utf8) == bytes))
                }
            }
        }
    }

    @Test func `a byte that cannot be is found wherever it stands`() {
        for count in [1, 7, 8, 9, 63, 64, 65, 200] {
            for place in 0..<count {
                var bytes = [UInt8](repeating: 0x61, count: count)
                #expect(check([bytes[...]]))
                bytes[place] = 0x80
                #expect(!check([bytes[...]]))
            }
        }
    }
}
