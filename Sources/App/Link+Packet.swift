import OmniwayTransport
import OmniwayWire

extension Link {
    /// A packet without a body.
    func write(bare kind: PomeloPacket.Kind) {
        let packet = PomeloPacket.bare(kind)
        write(packet.bytes)
    }
}
