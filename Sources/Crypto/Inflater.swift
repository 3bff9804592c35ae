import CZlib

/// Decompresses one stream of bytes, piece by piece and never more at a time than its caller has room for.
/// It holds up to 40 KiB, by its window, and lets go of them once.
@safe
package final class Inflater {
    // zlib remembers the address of its stream, which therefore never moves.
    private let stream: UnsafeMutablePointer<z_stream>
    package let format: DeflateFormat

    /// A window as large as the sender's, or larger; one of 8 bits fits into one of 9. It is not taken before it is
    /// needed.
    package init(_ format: DeflateFormat, windowBits: Int = 15) {
        self.format = format
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let code = unsafe omniway_inflateInit2(stream, format.code(max(9, windowBits)))
        precondition(code == Z_OK, "inflate: out of memory")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Forgets everything before: what follows must not refer to it.
    package func reset() { unsafe _ = inflateReset(stream) }

    /// After a stream's end: another follows, which may refer to what came before.
    package func startNext() { unsafe _ = inflateResetKeep(stream) }

    /// Decompresses from `input` into `output`, until one of them comes to its end, or the compressed stream does.
    /// After an error there is nothing to do but to `reset`.
    package func inflate(
        _ input: RawSpan, into output: UnsafeMutableRawBufferPointer
    ) throws(DeflateError) -> DeflateProgress {
        let (progress, code) = unsafe stream.step(input, into: output) { unsafe CZlib.inflate($0, Z_SYNC_FLUSH) }
        switch code {
        case Z_OK, Z_STREAM_END, Z_BUF_ERROR: return progress  // The last: there was nothing to do.
        case Z_MEM_ERROR: preconditionFailure("inflate: out of memory")
        case Z_NEED_DICT: throw .corrupt("they ask for a dictionary")
        default: throw .corrupt(unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "error \(code)")
        }
    }

    /// Decompresses all of `bytes`, one whole stream that inflates to `limit` bytes at most. To be called on an
    /// inflater that has seen nothing, and `reset` after.
    package func inflate(_ bytes: RawSpan, atMost limit: Int) throws(DeflateError) -> [UInt8] {
        // One more than is allowed shows that there is more, whatever the stream would become.
        var result = [UInt8](repeating: 0, count: min(limit + 1, max(512, 4 * bytes.byteCount)))
        var (read, produced) = (0, 0)
        while true {
            let progress = try step(bytes.extracting(droppingFirst: read), into: &result, from: produced)
            read += progress.consumed
            produced += progress.produced
            guard produced <= limit else { throw .tooLarge(limit: limit) }
            if progress.hasEnded { break }
            if progress.isFull {
                result.append(contentsOf: repeatElement(0, count: min(result.count, limit + 1 - result.count)))
            } else if read == bytes.byteCount {
                throw .truncated(bytes.byteCount)
            }
        }
        guard read == bytes.byteCount else { throw .trailing(bytes.byteCount - read) }
        result.removeLast(result.count - produced)
        return result
    }

    private func step(
        _ bytes: RawSpan, into result: inout [UInt8], from start: Int
    ) throws(DeflateError) -> DeflateProgress {
        let outcome: Result<DeflateProgress, DeflateError> = unsafe result.withUnsafeMutableBytes { room in
            do throws(DeflateError) {
                return .success(
                    unsafe try inflate(bytes, into: UnsafeMutableRawBufferPointer(rebasing: room[start...])))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Decompresses all of `bytes`, one whole stream that inflates to `limit` bytes at most.
    package static func inflate(
        _ bytes: [UInt8], _ format: DeflateFormat, atMost limit: Int
    ) throws(DeflateError) -> [UInt8] {
        // Safe because bytes have no padding.
        try Inflater(format).inflate(unsafe bytes.span.bytes, atMost: limit)
    }
}
