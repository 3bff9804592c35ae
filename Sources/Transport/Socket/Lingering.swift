import Glibc

/// What a closed link still has to say: its last bytes, then the end, then patience until the peer has read them.
final class Lingering: TimerTarget {
    private static let patience = Duration.seconds(5)
    private static let mostDiscarded = 1 << 20
    private var rest: [UInt8] = []
    private var sent = 0
    private var discarded = 0
    private var lastProgress: Moment
    private var timer: TimerID?
    private let driver: SocketDriver

    init(_ rest: RawSpan, driver: SocketDriver, _ loop: Loop) {
        self.driver = driver
        lastProgress = loop.now
        self.rest.append(contentsOf: rest)
        timer = loop.after(Self.patience, self)
    }

    var isSending: Bool { sent < rest.count }

    /// True when nothing is left to do.
    func goOn(_ descriptor: Int32, _ loop: Loop) -> Bool {
        isSending ? send(descriptor, loop) : drain(descriptor, loop)
    }

    private func send(_ descriptor: Int32, _ loop: Loop) -> Bool {
        let count = unsafe rest.withUnsafeBytes {
            unsafe Glibc.send(
                descriptor, $0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count < 0 { return errno != EAGAIN && errno != EINTR }
        sent += count
        lastProgress = loop.now
        if !isSending {
            shutdown(descriptor, Int32(SHUT_WR))
            driver.waitForTheEnd(loop)
        }
        return false
    }

    private func drain(_ descriptor: Int32, _ loop: Loop) -> Bool {
        let count = unsafe recv(descriptor, loop.inbound.start, InboundBuffer.size, 0)
        if count < 0 { return errno != EAGAIN && errno != EINTR }
        discarded += count
        return count == 0 || discarded > Self.mostDiscarded
    }

    func stop(_ loop: Loop) { if let timer { loop.cancel(timer) } }

    /// The patience is for a peer that does not move, not for one that reads slowly.
    func timerFired(_ token: UInt64, on loop: Loop) {
        let quiet = loop.now - lastProgress
        if quiet < Self.patience {
            timer = loop.after(Self.patience - quiet, self)
        } else {
            driver.lingeredTooLong(loop, wasSending: isSending)
        }
    }
}
