import OmniwayCrypto

/// One end of a stream that outlives its carriers: what it has read and written, its keys, and the bytes that it can
/// send again. Counts are of bytes as they are on the wire, without handshakes.
package struct SnetStream: Sendable {
    package let id: UInt64
    package let key: UInt64
    /// Bytes that were encrypted and handed to a carrier, or will be next.
    package private(set) var written: UInt64 = 0
    /// Bytes that were delivered or wait to be read.
    package private(set) var read: UInt64 = 0
    /// How far the present carrier has come.
    private var sent: UInt64 = 0
    /// The peer will send so many bytes again that have come meanwhile.
    private var known: UInt64 = 0
    private var ring: SnetRing
    /// None, or one for what is sent and one for what is read.
    private var ciphers: [RC4]

    package enum Side: Sendable { case client, server }

    package init(id: UInt64, key: UInt64, side: Side, encrypts: Bool, ring: Int) {
        (self.id, self.key) = (id, key)
        self.ring = SnetRing(size: ring)
        var fromServer = RC4(key: key.littleEndianBytes)
        fromServer.skip(8)  // They have encrypted the id, whether or not the stream is encrypted.
        let fromClient = RC4(key: key.littleEndianBytes)
        ciphers = !encrypts ? [] : side == .server ? [fromServer, fromClient] : [fromClient, fromServer]
    }

    /// Somebody else's counts, to try them out.
    package init(id: UInt64, key: UInt64, written: UInt64, read: UInt64, ring: Int) {
        self.init(id: id, key: key, side: .client, encrypts: false, ring: ring)
        (self.written, self.read, sent) = (written, read, written)
    }

    package var encrypts: Bool { !ciphers.isEmpty }
    /// What this end holds besides its fixed size.
    package var heldBytes: Int { ring.heldBytes + ciphers.count * MemoryLayout<RC4>.size }

    // MARK: Sending

    /// Bytes that were written and that the carrier has not been given.
    package var hasUnsent: Bool { sent < written }

    /// Encrypts bytes and keeps them, to be sent next; returns how many it took. It takes none while others are unsent.
    package mutating func write(_ bytes: RawSpan) -> Int {
        guard sent == written else { return 0 }
        let count = min(bytes.byteCount, ring.capacity)
        ring.put(bytes.extracting(first: count), at: written, &ciphers)
        written &+= UInt64(count)
        return count
    }

    /// The next bytes for the carrier, not always all.
    package var unsent: RawSpan {
        @_lifetime(borrow self)
        get { ring.piece(from: sent, to: written) }
    }

    package mutating func wasSent(_ count: Int) { sent = min(written, sent &+ UInt64(count)) }

    // MARK: Receiving

    /// How many of `count` bytes that have come are here already; they are dropped.
    package mutating func dropKnown(_ count: Int) -> Int {
        let dropped = min(known, UInt64(count))
        known -= dropped
        return Int(dropped)
    }

    /// Decrypts bytes that have come; from here on they count as read.
    package mutating func take(_ bytes: inout MutableSpan<UInt8>) {
        if encrypts { ciphers[1].apply(to: &bytes) }
        tookPlain(bytes.count)
    }

    /// The same for bytes that are not encrypted.
    package mutating func tookPlain(_ count: Int) { read &+= UInt64(count) }

    // MARK: Resuming

    /// How many bytes must be sent again to a peer that counts like this.
    package func gap(peerWritten: UInt64, peerRead: UInt64) throws(SnetError) -> UInt64 {
        guard peerRead <= written, peerWritten >= read else { throw .impossibleCounts }
        let gap = written - peerRead
        guard gap <= UInt64(ring.size) else { throw .gapTooLarge(gap, ring: ring.size) }
        return gap
    }

    /// A new carrier: sending goes on where the peer has stopped to read. `told` is what the peer was told of `read`;
    /// from there it goes on to send. Returns how many bytes are sent again.
    package mutating func resume(peerWritten: UInt64, peerRead: UInt64, told: UInt64) throws(SnetError) -> UInt64 {
        let gap = try gap(peerWritten: peerWritten, peerRead: peerRead)
        guard told <= read else { throw .impossibleCounts }
        sent = peerRead
        known = read - told
        return gap
    }
}

extension UInt64 {
    var littleEndianBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) } }

    /// The number that begins at an index of bytes that are known to be there.
    init(_ bytes: [UInt8], at index: Int) {
        self = (0..<8).reduce(0) { $0 | UInt64(bytes[index + $1]) << (8 * $1) }
    }
}
