/// The handler and driver of a link that has none: before it is given away, and after its end.
final class Nobody: LinkHandler, LinkDriver, TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {}
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int { bytes.byteCount }
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) {}
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {}
}
