/// A datagram of SOCKS5 (RFC 1928, section 7): where it goes, or where it comes from, before its own bytes.
package enum SocksDatagram {
    /// The place, and where the datagram's own bytes begin; nil for what is no such datagram, and for a piece of one.
    package static func decode(_ bytes: RawSpan) -> (place: SocksPlace, start: Int)? {
        guard bytes.byteCount > 3, bytes.byte(0) == 0, bytes.byte(1) == 0, bytes.byte(2) == 0 else { return nil }
        var offset = 3
        guard let place = try? SocksPlace.decode(bytes, &offset) else { return nil }
        return (place, offset)
    }

    package static func header(_ place: SocksPlace) -> [UInt8] { [0, 0, 0] + place.bytes }
}

/// Datagrams one after the other in a stream, each behind its length.
package enum DatagramStream {
    package static let most = Int(UInt16.max)
    package static let prefix = 2

    /// What stands before a datagram of so many bytes, which is `most` at most.
    package static func length(_ count: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
    }

    /// The next whole datagram behind an offset; nil until it is there.
    package static func next(_ bytes: RawSpan, at offset: Int) -> Range<Int>? {
        let start = offset + prefix
        guard bytes.byteCount >= start else { return nil }
        let end = start + (Int(bytes.byte(offset)) << 8 | Int(bytes.byte(offset + 1)))
        return bytes.byteCount >= end ? start..<end : nil
    }
}
