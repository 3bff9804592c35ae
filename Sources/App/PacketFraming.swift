import OmniwayCrypto
import OmniwayTransport
import OmniwayWire

/// Packets in and out: as the protocol has them or as the app's own codec does, with bodies compressed where that
/// helps.
final class PacketFraming: Sendable {
    let maxBodySize: Int
    /// Asked first: to look at an existential costs more than to look whether there is one.
    private let isStandard: Bool
    private let standard: PomeloPacketCodec
    private let own: (any PacketCodec)?
    private let compression: PomeloCompression?

    init(_ own: (any PacketCodec)?, maxBodySize: Int, _ compression: AppSettings.Compression) {
        (self.own, self.maxBodySize) = (own, maxBodySize)
        standard = PomeloPacketCodec(maxBodySize: maxBodySize)
        switch compression {
        case .off: self.compression = nil
        case .above(let threshold): self.compression = PomeloCompression(threshold: threshold)
        }
        isStandard = own == nil
    }

    /// Most bytes that a packet may have.
    var maxSize: Int { maxBodySize + (own == nil ? PomeloPacket.headSize : 64) }

    /// What people can read; nothing is known of an application's own packets.
    var frameFormat: FrameFormat? { own == nil ? .pomelo : nil }

    // MARK: In

    @inline(__always)
    func packet(in bytes: RawSpan, at offset: Int) throws(PomeloError) -> PomeloPacket? {
        if isStandard { return try standard.packet(in: bytes, at: offset) }
        return try ownPacket(in: bytes, at: offset)
    }

    @inline(never)
    private func ownPacket(in bytes: RawSpan, at offset: Int) throws(PomeloError) -> PomeloPacket? {
        guard let own, offset < bytes.byteCount else { return nil }
        let found: PomeloPacket?
        do { found = try own.packet(in: bytes, at: offset) } catch { throw .ownCodec("\(error)") }
        guard let found else { return nil }
        guard found.body.lowerBound > offset, found.end <= bytes.byteCount else {
            throw .ownCodec("a packet at \(found.body) of \(bytes.byteCount) bytes, from \(offset) on, is not there")
        }
        guard found.body.count <= maxBodySize else {
            throw .packetTooLarge(bytes: found.body.count, limit: maxBodySize)
        }
        return found
    }

    // MARK: Out

    /// A whole packet.
    func packet(_ kind: PomeloPacket.Kind, _ body: [UInt8] = []) throws(PomeloError) -> [UInt8] {
        guard let own else { return try PomeloPacket.bytes(kind, body) }
        return try head(kind, body.count, own) + body
    }

    /// A message as one packet.
    func packet(
        _ head: PomeloMessageHead, _ body: [UInt8], by pool: DeflatePool
    ) throws(PomeloError) -> [UInt8] {
        // Safe because bytes have no padding.
        let short = compression?.compressed(unsafe body.span.bytes, by: pool)
        let body = short ?? body
        return try start(head, body.count, isCompressed: short != nil) + body
    }

    /// The same, written from where the body is.
    func write(_ head: PomeloMessageHead, _ body: [UInt8], to link: Link) throws(PomeloError) {
        // Safe because bytes have no padding.
        if let short = compression?.compressed(unsafe body.span.bytes, by: link.loop.deflatePool) {
            try write(head, unsafe short.span.bytes, isCompressed: true, to: link)
        } else {
            try write(head, unsafe body.span.bytes, isCompressed: false, to: link)
        }
    }

    private func write(
        _ head: PomeloMessageHead, _ body: RawSpan, isCompressed: Bool, to link: Link
    ) throws(PomeloError) {
        if isStandard, !head.hasRoute {
            let start = try head.start(body: body.byteCount, isCompressed: isCompressed)
            link.write(start.bytes, body)
        } else {
            let start = try start(head, body.byteCount, isCompressed: isCompressed)
            link.write(unsafe start.span.bytes, body)
        }
    }

    /// All that stands in front of a message's body.
    private func start(
        _ head: PomeloMessageHead, _ count: Int, isCompressed: Bool
    ) throws(PomeloError) -> [UInt8] {
        var bytes: [UInt8] = []
        try head.append(to: &bytes, body: count, isCompressed: isCompressed)
        guard let own else { return bytes }
        let message = bytes.dropFirst(PomeloPacket.headSize)
        return try self.head(.data, message.count + count, own) + message
    }

    private func head(
        _ kind: PomeloPacket.Kind, _ count: Int, _ codec: any PacketCodec
    ) throws(PomeloError) -> [UInt8] {
        do { return try codec.head(kind, body: count) } catch { throw .ownCodec("\(error)") }
    }
}
