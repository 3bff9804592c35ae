import Glibc
import OmniwayTelemetry
import OmniwayTransport

/// What all streams of a run have brought through.
final class Tally: Sendable {
    private struct Numbers {
        var started = 0
        var said = 0
        var heard = 0
        var wrong = 0
        var lost: [String] = []
    }
    private let numbers = Lock(Numbers())
    var started: Int { numbers.withLock { $0.started } }
    var said: Int { numbers.withLock { $0.said } }
    var heard: Int { numbers.withLock { $0.heard } }
    var wrong: Int { numbers.withLock { $0.wrong } }
    var lost: [String] { numbers.withLock { $0.lost } }

    func said(_ count: Int) { numbers.withLock { $0.said += count } }
    func heard(_ count: Int, isFirst: Bool, isRight: Bool) {
        numbers.withLock { numbers in
            numbers.heard += count
            if isFirst { numbers.started += 1 }
            if !isRight { numbers.wrong += 1 }
        }
    }
    func lost(_ reason: CloseReason) { numbers.withLock { $0.lost.append("\(reason)") } }
}

/// The streams of one loop.
final class Streams: LinkIntake {
    private let tally: Tally
    private var all: [StreamEnd] = []
    /// Streams from now on only listen.
    var isSilent = false
    init(_ tally: Tally) { self.tally = tally }

    func stream() -> StreamEnd {
        let end = StreamEnd(tally)
        end.isStopped = isSilent
        all.append(end)
        return end
    }
    func accept(_ link: Link) -> (any LinkHandler)? { stream() }
    func stop() { for end in all { end.isStopped = true } }
    var resumes: Int { all.reduce(0) { $0 + $1.resumes } }
}

/// Says bytes that follow from their places as fast as they go, and compares those of the other end.
final class StreamEnd: LinkHandler {
    private static let period = 65_521
    private static let piece = 16 << 10
    /// Long enough for a piece from any place of the period.
    private static let pattern = (0..<(period + (512 << 10))).map { place in
        let number = place % period
        return UInt8(truncatingIfNeeded: number &* 31 &+ (number >> 8) &* 7)
    }

    private let tally: Tally
    private var said = 0
    private var heard = 0
    private var link: Link?
    var isStopped = false
    var resumes: Int { link?.snet?.resumes ?? 0 }

    init(_ tally: Tally) { self.tally = tally }

    func opened(_ link: Link) {
        self.link = link
        link.limits = QueueLimits(low: 32 << 10, high: 64 << 10)
        say(link)
    }
    func writable(_ link: Link) { say(link) }

    private func say(_ link: Link) {
        while !link.isFull, link.state == .open, !isStopped {
            let start = said % Self.period
            tally.said(Self.piece)
            unsafe Self.pattern.withUnsafeBytes { bytes in
                let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Self.piece)])
                unsafe link.write(RawSpan(_unsafeBytes: piece))
            }
            said += Self.piece
        }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        let start = heard % Self.period
        let isSame = unsafe Self.pattern.withUnsafeBytes { pattern in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe memcmp(pattern.baseAddress! + start, bytes.baseAddress!, bytes.count) == 0
            }
        }
        tally.heard(bytes.byteCount, isFirst: heard == 0, isRight: isSame)
        heard += bytes.byteCount
        return bytes.byteCount
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        if reason != .shutdown { tally.lost(reason) }
    }
}

/// Bytes through one stream for two seconds.
enum Throughput {
    static func measure(_ snet: SnetTerms?) async throws -> Int {
        let loops = EventLoops(count: 2)
        let tally = Tally()
        let intake = await loops.loops[1].own { _ in Streams(tally) }
        let tcp = StreamAcceptor(.loopback(port: 0))
        let listening: Listening
        if let snet {
            let acceptor: some Acceptor = SnetServer(encrypts: snet.encrypts, ring: snet.ring).over(tcp)
            listening = try await acceptor.open(into: [intake])
        } else {
            listening = try await tcp.open(into: [intake])
        }
        await intake.run { _, intake in intake.isSilent = true }
        let client = await loops.loops[0].own { _ in Streams(tally) }
        await client.run { loop, client in
            let stream = StreamDialer(listening.address)
            var dialer: any Dialer = stream
            if let snet {
                let layered: some Dialer = SnetClient(encrypts: snet.encrypts, ring: snet.ring).over(stream)
                dialer = layered
            }
            _ = dialer.dial(on: loop, deadline: .seconds(10), handler: client.stream())
        }
        try await Task.sleep(for: .milliseconds(500))
        let (before, start) = (tally.heard, ContinuousClock.now)
        try await Task.sleep(for: .seconds(2))
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let count = tally.heard - before
        await loops.shutdown()
        return Int(Double(count) / seconds / 1e6)
    }
}
