import CSystem
import Glibc

/// A line between a process and the one that takes its place: messages with descriptors, whole and in order. Several
/// processes may have the same end.
package final class HandoverLine: Sendable {
    private let socket: OwnedDescriptor

    /// Nil for a descriptor that is no end of such a line.
    package init?(_ descriptor: consuming OwnedDescriptor) {
        var type: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // Safe because the call is told how long the value is.
        guard unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_TYPE, &type, &length) == 0,
            type == Int32(SOCK_SEQPACKET.rawValue)
        else { return nil }
        _ = fcntl(descriptor.number, F_SETFD, FD_CLOEXEC)
        socket = descriptor
    }

    /// Both ends of a new line, for whoever calls this to own. Not inherited.
    package static func pair() throws(SystemError) -> (Int32, Int32) {
        try OwnedDescriptor.pair(Int32(SOCK_SEQPACKET.rawValue))
    }

    /// Never waits: an error when the other end has ended, or does not read.
    package func send(_ message: HandoverMessage, _ descriptor: borrowing OwnedDescriptor) throws(SystemError) {
        try send(message, [descriptor.number])
    }

    package func send(_ message: HandoverMessage) throws(SystemError) { try send(message, []) }

    private func send(_ message: HandoverMessage, _ numbers: [Int32]) throws(SystemError) {
        let bytes = message.bytes
        // Safe because the call reads no more than it is told.
        let count = unsafe csystem_send_descriptors(
            socket.number, bytes, bytes.count, numbers, Int32(numbers.count))
        if count < 0 { throw SystemError.last }
    }

    /// The same, and waits while the other end has not read enough.
    package func sendAndWait(
        _ message: HandoverMessage, _ descriptor: borrowing OwnedDescriptor
    ) throws(SystemError) {
        while true {
            do throws(SystemError) { return try send(message, descriptor) } catch {
                guard error.isBusy else { throw error }
                var room = pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0)
                // Safe because the call is told that there is one.
                guard unsafe poll(&room, 1, 10_000) > 0 else { throw SystemError(number: ETIMEDOUT) }
            }
        }
    }

    /// The same with a copy of the end of another line.
    package func sendAndWait(_ message: HandoverMessage, _ other: HandoverLine) throws(SystemError) {
        try sendAndWait(message, other.socket)
    }

    /// How long `receive` waits; nil for ever.
    package func wait(atMost limit: Duration?) {
        let seconds = limit.map { max(1, $0.components.seconds) } ?? 0
        var time = timeval(tv_sec: Int(seconds), tv_usec: 0)
        // Safe because the call is told how long the value is.
        _ = unsafe setsockopt(
            socket.number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Waits for the next message, so it is for a thread of its own. Nil when nobody has the other end any more.
    package func receive() throws(SystemError) -> (message: HandoverMessage, descriptor: Int32?)? {
        var bytes = [UInt8](repeating: 0, count: HandoverMessage.mostBytes)
        var numbers = [Int32](repeating: -1, count: Int(CSYSTEM_DESCRIPTORS))
        var many: Int32 = 0
        // Safe because the call writes no more than it is told, and as many numbers as it says.
        let count = unsafe csystem_receive_descriptors(socket.number, &bytes, bytes.count, &numbers, &many)
        if count == 0 { return nil }
        if count < 0 { throw SystemError.last }
        // No message has more than one.
        for number in numbers.prefix(Int(many)).dropFirst() { close(number) }
        return (HandoverMessage(bytes.prefix(count)), many > 0 ? numbers[0] : nil)
    }
}

extension OwnedDescriptor {
    /// Two connected Unix sockets, for whoever calls this to own. They are not inherited; without a type they are
    /// streams that do not block.
    static func pair(_ type: Int32? = nil) throws(SystemError) -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = type ?? Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
        // Safe because the call writes two numbers.
        guard unsafe socketpair(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError.last
        }
        return (ends[0], ends[1])
    }
}

extension OwnedDescriptor {
    /// A few last bytes to a connection that is about to be closed: they fit into an empty socket.
    func sendLast(_ bytes: [UInt8]) {
        // Safe because the call reads no more than it is told.
        _ = unsafe Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}

extension SystemError {
    /// The other side has not read what was sent before.
    var isBusy: Bool { [EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS].contains(number) }
}

/// What one process says to the other: a word, what belongs to it, and bytes. A line of text, then the bytes.
package struct HandoverMessage: Equatable, Sendable {
    package enum Word: String, Sendable {
        /// With a socket that listens: its kind, whose its path is, what its owner was asked for; then its name.
        case socket
        /// With a line to an older process that still has streams.
        case line
        /// All has been given.
        case begin
        /// The new process could accept now.
        case ready
        /// The old one accepts no more.
        case go
        /// With a connection on which a stream of the other process is to go on.
        case resume
    }

    package static let mostBytes = 8192
    /// Nil for what a newer version may say.
    package let word: Word?
    package let words: [String]
    package let body: [UInt8]

    package init(_ word: Word, _ words: [String] = [], _ body: [UInt8] = []) {
        (self.word, self.words, self.body) = (word, words, body)
    }

    /// The last word may have blanks in it.
    init(_ bytes: ArraySlice<UInt8>) {
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        body = Array(bytes[line.endIndex...].dropFirst())
        let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 3)
        word = parts.first.flatMap { Word(rawValue: String($0)) }
        words = parts.dropFirst().map(String.init)
    }

    var bytes: [UInt8] {
        Array(([word?.rawValue ?? "-"] + words).joined(separator: " ").utf8) + [UInt8(ascii: "\n")] + body
    }
}
