/// Random UUIDs (version 4) as text: how the protocol names clients, nodes, connections and requests.
package enum UUIDText {
    package static func random(using generator: inout some RandomNumberGenerator) -> String {
        text(high: generator.next(), low: generator.next())
    }

    package static func text(high: UInt64, low: UInt64) -> String {
        let words = [high & ~0xf000 | 0x4000, low & ~(0b11 << 62) | 0b10 << 62]
        var bytes: [UInt8] = []
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { bytes.append(UInt8(ascii: "-")) }
            let digit = UInt8(truncatingIfNeeded: words[index / 16] >> UInt64(60 - 4 * (index % 16))) & 15
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
