import CZlib

/// What compressed bytes are wrapped in.
package enum DeflateFormat: Sendable {
    /// Nothing: bare DEFLATE (RFC 1951), as in the messages of WebSocket.
    case raw
    /// zlib's header and checksum (RFC 1950).
    case zlib
    /// gzip's (RFC 1952).
    case gzip

    /// Windows of fewer bits cannot be compressed into by zlib.
    package static let windowBits = 9...15

    /// zlib's way to say both in one number.
    func code(_ bits: Int) -> Int32 {
        precondition(Self.windowBits.contains(bits), "a window of 9 to 15 bits")
        return switch self {
        case .raw: -Int32(bits)
        case .zlib: Int32(bits)
        case .gzip: Int32(bits) + 16
        }
    }
}

/// How far one call came: it stops at the end of its input or when its output is full.
package struct DeflateProgress: Equatable, Sendable {
    package var consumed: Int
    package var produced: Int
    /// The output was filled to the last byte: call again, with more room, before there is more input.
    package var isFull: Bool
    /// The compressed stream has come to its own end; what was not consumed stands behind it.
    package var hasEnded: Bool
}

package enum DeflateError: Error, Equatable, CustomStringConvertible {
    case corrupt(String)
    case truncated(Int)
    case tooLarge(limit: Int)
    case trailing(Int)

    package var description: String {
        switch self {
        case .corrupt(let words): "the compressed bytes are broken: \(words); the sender does not speak this format"
        case .truncated(let count): "\(count) compressed bytes stop in the middle; the rest is missing"
        case .tooLarge(let limit): "the bytes inflate to more than \(limit); send less or raise the limit"
        case .trailing(let count): "\(count) bytes follow the end of the compressed ones; they belong elsewhere"
        }
    }
}

extension UnsafeMutablePointer<z_stream> {
    /// Runs zlib once over the bytes and the room.
    func step(
        _ input: RawSpan, into output: UnsafeMutableRawBufferPointer, _ run: (Self) -> Int32
    ) -> (progress: DeflateProgress, code: Int32) {
        unsafe input.withUnsafeBytes { input in
            let count = min(input.count, Int(UInt32.max))
            let room = min(output.count, Int(UInt32.max))
            // Safe because zlib only reads what it calls `next_in`, and both counts are those of the buffers.
            unsafe pointee.next_in = .init(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
            unsafe pointee.avail_in = UInt32(count)
            unsafe pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe pointee.avail_out = UInt32(room)
            let code = unsafe run(self)
            let (unread, unused) = unsafe (Int(pointee.avail_in), Int(pointee.avail_out))
            let progress = DeflateProgress(
                consumed: count - unread, produced: room - unused, isFull: unused == 0, hasEnded: code == Z_STREAM_END)
            return (progress, code)
        }
    }
}
