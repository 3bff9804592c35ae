import OmniwayCrypto

/// The datagram by which a node says on the local network that it is there: `OMW`, the version 2, id, port, flags, a
/// nonce and the mark of its group, 54 bytes. It is a hint: a link proves who is there.
package struct Beacon: Equatable, Sendable {
    package let node: NodeID
    /// Where it listens, on the machine that the datagram comes from.
    package let port: UInt16
    /// 48 bits, so that no two are the same.
    package let nonce: UInt64

    package static let size = 54
    private static let head: [UInt8] = [0x4f, 0x4d, 0x57, 2]
    private static let markSize = 8
    private static let domain = Array("omniway mesh 2: a beacon\0".utf8)

    package init(node: NodeID, port: UInt16, nonce: UInt64) {
        (self.node, self.port, self.nonce) = (node, port, nonce & 0xffff_ffff_ffff)
    }

    /// With the secret of a group only its members can make it; without one it is marked as of no group.
    package func bytes(groupSecret: [UInt8]?) -> [UInt8] {
        var writer = MeshWriter(bytes: Self.head)
        writer.write(node)
        writer.write(port)
        writer.write(UInt16(groupSecret == nil ? 0 : 1))
        writer.write(UInt16(nonce >> 32))
        writer.write(UInt32(truncatingIfNeeded: nonce))
        return writer.bytes + Self.mark(of: writer.bytes, groupSecret)
    }

    /// Nil for what is no beacon, or of another group.
    package init?(_ bytes: [UInt8], groupSecret: [UInt8]?) {
        let body = Array(bytes.dropLast(Self.markSize))
        guard bytes.count == Self.size, bytes.starts(with: Self.head),
            HMAC.isEqual(Array(bytes.suffix(Self.markSize)), Self.mark(of: body, groupSecret)),
            let node = NodeID(Array(body[4..<36]))
        else { return nil }
        func number(_ range: Range<Int>) -> UInt64 { body[range].reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(node: node, port: UInt16(number(36..<38)), nonce: number(40..<46))
    }

    private static func mark(of body: [UInt8], _ groupSecret: [UInt8]?) -> [UInt8] {
        Array((groupSecret.map { HMAC.sha256(domain + body, key: $0) } ?? Digest.sha256(domain)).prefix(markSize))
    }
}
