import CSystem
import Glibc

/// One direction between two sockets of a loop, by way of a pipe in the kernel: its bytes never come to this process.
final class Splice {
    /// Bytes in the pipe.
    private(set) var held = 0
    /// Bytes that were taken from the source.
    private(set) var moved: UInt64 = 0
    /// When the pipe is empty, the target's direction ends.
    var finishes = false

    private var source: SocketDriver?
    private var target: SocketDriver?
    private let sourceLink: LinkID
    private let targetLink: LinkID
    private let reading: OwnedDescriptor
    private let writing: OwnedDescriptor
    private let capacity: Int

    private static let wanted: Int32 = 256 << 10

    /// Nil when the system gives no pipe.
    init?(from source: SocketDriver, _ sourceLink: LinkID, to target: SocketDriver, _ targetLink: LinkID) {
        var ends: [Int32] = [-1, -1]
        let size = unsafe csystem_splice_pipe(&ends, Self.wanted)
        guard size > 0 else { return nil }
        capacity = Int(size)
        reading = OwnedDescriptor(ends[0])
        writing = OwnedDescriptor(ends[1])
        (self.source, self.target, self.sourceLink, self.targetLink) = (source, target, sourceLink, targetLink)
    }

    /// Takes what the source has received, and sends it. False when the usual way is to be gone: something waits there
    /// already, or the source has come to its end.
    func move(_ loop: Loop) -> Bool {
        guard held == 0, let source, let from = loop.link(sourceLink), from.unread.isEmpty,
            let to = loop.link(targetLink), to.state == .open, to.queued == 0
        else { return false }
        let count = csystem_splice(source.descriptor, writing.number, capacity)
        if count <= 0 {
            // An error is told once, so whoever meets it must not take it for an end.
            let error = SystemError.last
            return count < 0 && source.spliceBreaks(error, loop)
        }
        held = count
        moved &+= UInt64(count)
        loop.bytesRead &+= UInt64(count)
        from.heard()
        drain(loop)
        return true
    }

    /// Sends what is in the pipe, as far as the target takes it. While it does not, the source is not read.
    func drain(_ loop: Loop) {
        while held > 0, let target {
            let count = csystem_splice(reading.number, target.descriptor, held)
            guard count > 0 else {
                source?.splice(blocks: true, loop)
                return target.spliceIsFull(SystemError.last, loop)
            }
            held -= count
            loop.bytesSent &+= UInt64(count)
            loop.link(targetLink)?.lastSent = loop.now
        }
        source?.splice(blocks: false, loop)
        target?.spliceIsEmpty(finishes: finishes)
        finishes = false
    }

    /// What is in the pipe, and what is to be sent after it.
    func takeBack(before rest: RawSpan) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: held)
        let count = unsafe read(reading.number, &bytes, held)
        bytes.removeLast(held - max(0, count))
        held = 0
        bytes.append(contentsOf: rest)
        return bytes
    }

    /// What is in the pipe still goes out.
    func sourceEnded() { source = nil }
    func targetEnded() { (target, held) = (nil, 0) }
}
