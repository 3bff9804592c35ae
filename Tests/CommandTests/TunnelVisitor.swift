import OmniwayTesting
import OmniwayTransport
import Testing

/// A target that says what it hears.
final class TunnelEcho: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes)
        return bytes.byteCount
    }
}

/// Somebody who has come to a port that leads to an echo.
struct TunnelVisitor {
    private let recorder: LoopBound<Recorder>

    init(at port: UInt16, on loop: EventLoop) async {
        recorder = await loop.own { loop in
            let recorder = Recorder()
            StreamDialer(.loopback(port: port)).dial(on: loop, deadline: .seconds(5), handler: recorder)?.write([1])
            return recorder
        }
    }

    /// It says something, and hears that.
    func isAnswered() async -> Bool {
        let before = await recorder.run { _, recorder in
            recorder.link?.write([2])
            return recorder.bytes.count
        }
        return await hears(before + 1)
    }

    /// It does not wait for an answer.
    func says(_ count: Int) async {
        await recorder.run { _, recorder in recorder.link?.write([UInt8](repeating: 3, count: count)) }
    }

    func hasHeard(_ count: Int) async -> Bool { await recorder.run { _, recorder in recorder.bytes.count >= count } }

    /// It hears so many bytes in all before it is left, and soon.
    func hears(_ count: Int) async -> Bool {
        for _ in 0..<1000 {
            let (heard, isOver) = await recorder.run { _, recorder in
                (recorder.bytes.count, recorder.closeReason != nil)
            }
            if heard >= count { return true }
            if isOver { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    func isBroken() async -> Bool {
        for _ in 0..<1000 {
            let isOver = await recorder.run { _, recorder in
                recorder.closeReason != nil || recorder.events.contains(.finished)
            }
            if isOver { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}
