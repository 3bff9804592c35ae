import OmniwayTelemetry
import OmniwayTransport

/// What a visitor says before its target is there. A stream is not read on when it is much; of datagrams those are
/// dropped that do not fit.
struct EarlyBytes {
    private var bytes: [UInt8] = []
    /// Where datagrams end.
    private var ends: [Int] = []
    /// Bytes that were kept, also when they have gone on.
    private(set) var taken = 0
    private static let most = 64 << 10
    private static let mostDatagrams = 256

    mutating func take(_ more: RawSpan, endOfMessage: Bool, from link: Link) {
        if link.traits.keepsMessages {
            guard ends.count < Self.mostDatagrams, bytes.count + more.byteCount <= Self.most else {
                return MuxCounters(link.loop.meters).dropped.add(1)
            }
        }
        bytes += more.array(0..<more.byteCount)
        taken += more.byteCount
        if endOfMessage { ends.append(bytes.count) }
        if !link.traits.keepsMessages, bytes.count >= Self.most { link.pauseReading() }
    }

    mutating func write(to link: Link) {
        if link.traits.keepsMessages {
            var start = 0
            for end in ends {
                link.write(Array(bytes[start..<end]))
                start = end
            }
        } else if !bytes.isEmpty {
            link.write(bytes)
        }
        (bytes, ends) = ([], [])
    }
}
