public import OmniwayWire

/// How packets stand among the bytes of a connection, for clients that have it otherwise than the protocol.
///
/// A packet is a head, of at most 64 bytes, and a body. On links that keep messages (WebSocket) each message holds
/// whole packets. What is in the bodies stays as the protocol has it.
public protocol PacketCodec: Sendable {
    /// The whole packet whose head begins at `offset`, with the place of its body; nil until more bytes have come. An
    /// error costs the connection, and should be thrown as soon as it can be known.
    func packet(in bytes: RawSpan, at offset: Int) throws -> PomeloPacket?
    /// What stands in front of a body of so many bytes.
    func head(_ kind: PomeloPacket.Kind, body count: Int) throws -> [UInt8]
}
