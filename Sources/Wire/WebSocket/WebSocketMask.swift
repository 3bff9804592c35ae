/// The four bytes that a client's payload is combined with (RFC 6455, 5.3), in the order in which they come next.
package struct WebSocketMask: Equatable, Sendable {
    let key: UInt32  // Its lowest byte is for the next byte of the payload.

    /// From four bytes in the order of the wire, read as a little-endian integer.
    package init(_ key: UInt32) { self.key = key }

    package var bytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: key >> (8 * $0)) } }

    /// The mask for what follows `count` bytes.
    package func advanced(by count: Int) -> WebSocketMask {
        let bits = UInt32(truncatingIfNeeded: count & 3) * 8
        return WebSocketMask(bits == 0 ? key : key >> bits | key << (32 - bits))
    }

    /// Masks or unmasks `bytes` into `output`, which has room for as many. The two may be the same.
    package func apply(_ bytes: RawSpan, to output: UnsafeMutableRawPointer) {
        let count = bytes.byteCount
        let word = UInt64(key.littleEndian) | UInt64(key.littleEndian) << 32
        let wide = SIMD8<UInt64>(repeating: word)
        var at = 0
        // Safe because every load and store stays below `count`, and no load needs to be aligned.
        while at &+ 64 <= count {
            let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: SIMD8<UInt64>.self) ^ wide
            unsafe output.storeBytes(of: value, toByteOffset: at, as: SIMD8<UInt64>.self)
            at &+= 64
        }
        while at &+ 8 <= count {
            let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self) ^ word
            unsafe output.storeBytes(of: value, toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        var rest = key
        while at < count {
            let value = unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
            unsafe output.storeBytes(of: value ^ UInt8(truncatingIfNeeded: rest), toByteOffset: at, as: UInt8.self)
            rest = rest >> 8 | rest << 24
            at &+= 1
        }
    }
}
