import OmniwayTransport

/// A flow whose target was not reached, for a moment: each datagram that comes in it would only ask again.
final class DeafFlow: LinkHandler, TimerTarget {
    private let link: Link
    private let reason: CloseReason
    private static let moment = Duration.seconds(1)

    init(_ link: Link, _ reason: CloseReason) {
        (self.link, self.reason) = (link, reason)
        link.handler = self
        link.loop.after(Self.moment, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
    func timerFired(_ token: UInt64, on loop: Loop) { link.close(reason) }
}
