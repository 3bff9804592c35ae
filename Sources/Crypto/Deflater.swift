import CZlib

/// Compresses one stream of bytes, piece by piece. It holds up to 270 KiB, by its window and `memoryLevel`, and lets go
/// of them once.
@safe
package final class Deflater {
    /// How much must be out when a call returns.
    package enum Flush: Sendable {
        /// What is worth sending; the rest waits for more input.
        case none
        /// All of the input, followed by the empty block 00 00 FF FF.
        case sync
        /// All of the input, and the stream's end.
        case finish
    }

    // zlib remembers the address of its stream, which therefore never moves.
    private let stream: UnsafeMutablePointer<z_stream>
    package let format: DeflateFormat
    package let windowBits: Int

    /// `level` is zlib's: 1 is fastest, 9 is smallest.
    package init(_ format: DeflateFormat, windowBits: Int = 15, level: Int = 6, memoryLevel: Int = 8) {
        (self.format, self.windowBits) = (format, windowBits)
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let code = unsafe omniway_deflateInit2(stream, Int32(level), format.code(windowBits), Int32(memoryLevel))
        precondition(code != Z_STREAM_ERROR, "deflate: a level of 1 to 9, a memory level of 1 to 9")
        precondition(code == Z_OK, "deflate: out of memory")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Forgets everything before: what follows can be inflated without it.
    package func reset() { unsafe _ = deflateReset(stream) }

    /// Compresses from `input` into `output`, until one of them comes to its end. A flush is complete when the progress
    /// is not full. Give it more than six bytes of room, or it repeats itself.
    package func deflate(
        _ input: RawSpan, _ flush: Flush, into output: UnsafeMutableRawBufferPointer
    ) -> DeflateProgress {
        // The flush is for the end of the input, which zlib does not see of more than 4 GiB.
        let flush = input.byteCount > Int(UInt32.max) ? .none : flush
        return unsafe stream.step(input, into: output) { unsafe CZlib.deflate($0, flush.code) }.progress
    }

    /// Compresses all of `bytes`, one whole stream, if that needs `limit` bytes at most; otherwise nil, with no more
    /// work than it takes to find out. To be called on a deflater that has seen nothing, and `reset` after.
    package func deflate(_ bytes: RawSpan, atMost limit: Int) -> [UInt8]? {
        guard limit > 0 else { return nil }
        var hasEnded = false
        let result = unsafe [UInt8](unsafeUninitializedCapacity: limit) { room, count in
            let progress = unsafe deflate(bytes, .finish, into: UnsafeMutableRawBufferPointer(room))
            (count, hasEnded) = (progress.produced, progress.hasEnded)
        }
        return hasEnded ? result : nil
    }

    /// Compresses all of `bytes`, with the stream's end.
    package static func deflate(_ bytes: [UInt8], _ format: DeflateFormat, level: Int = 6) -> [UInt8] {
        let deflater = Deflater(format, level: level)
        var result: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 16 << 10)
        var at = 0
        while true {
            let progress = unsafe bytes.withUnsafeBytes { bytes in
                unsafe room.withUnsafeMutableBytes { room in
                    unsafe deflater.deflate(RawSpan(_unsafeBytes: bytes[at...]), .finish, into: room)
                }
            }
            result += room[..<progress.produced]
            at += progress.consumed
            if progress.hasEnded { return result }
        }
    }
}

extension Deflater.Flush {
    fileprivate var code: Int32 {
        switch self {
        case .none: Z_NO_FLUSH
        case .sync: Z_SYNC_FLUSH
        case .finish: Z_FINISH
        }
    }
}
