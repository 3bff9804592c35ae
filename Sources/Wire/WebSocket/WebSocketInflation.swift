import OmniwayCrypto

/// The compressed messages of one connection, on their way in (RFC 7692, 7.2.2).
struct WebSocketInflation {
    private let pool: DeflatePool
    private let windowBits: Int
    private let keepsContext: Bool
    private var inflater: Inflater?
    /// What every message ends with and no frame carries, and how much of it is still to be read.
    private static let tail: InlineArray<4, UInt8> = [0x00, 0x00, 0xff, 0xff]
    private var tailLeft = 0
    /// The last output was full: there may be more of it without more input.
    private var owesOutput = false
    /// The sender marked its last block as final, and nothing has followed.
    private var isAfterFinalBlock = false
    /// What the message has become so far.
    private(set) var inflated = 0

    init(pool: DeflatePool, windowBits: Int, keepsContext: Bool) {
        (self.pool, self.windowBits, self.keepsContext) = (pool, windowBits, keepsContext)
    }

    mutating func begin() {
        if inflater == nil { inflater = keepsContext ? Inflater(.raw, windowBits: windowBits) : pool.takeInflater() }
        (tailLeft, owesOutput, isAfterFinalBlock, inflated) = (4, false, false, 0)
    }

    /// The message has ended, so its inflater may serve others.
    mutating func end() {
        guard !keepsContext, let last = inflater else { return }
        pool.give(last)
        inflater = nil
    }

    /// Inflates until the input is used or the output is full. With `isLast`, the message ends with `input`.
    mutating func inflate(
        _ input: RawSpan, isLast: Bool, into output: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> (consumed: Int, produced: Int, isDone: Bool) {
        var (consumed, produced) = (0, 0)
        while produced < output.count {
            let room = unsafe UnsafeMutableRawBufferPointer(rebasing: output[produced...])
            if consumed < input.byteCount {
                let progress = unsafe try step(input.extracting(droppingFirst: consumed), into: room)
                consumed += progress.consumed
                produced += progress.produced
            } else if owesOutput || isLast && tailLeft > 0 {
                if isLast, isAfterFinalBlock { tailLeft = 0 }  // No block is left for the tail to end.
                let tail = Self.tail
                let rest = unsafe tail.span.bytes.extracting(last: isLast ? tailLeft : 0)
                let progress = unsafe try step(rest, into: room)
                tailLeft -= progress.consumed
                produced += progress.produced
            } else {
                break
            }
        }
        inflated += produced
        let isDone = isLast && consumed == input.byteCount && tailLeft == 0 && !owesOutput
        return (consumed, produced, isDone)
    }

    private mutating func step(
        _ input: RawSpan, into room: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> DeflateProgress {
        guard let inflater else { throw .compressedWithoutAgreement }
        let progress: DeflateProgress
        do throws(DeflateError) {
            progress = unsafe try inflater.inflate(input, into: room)
        } catch {
            throw .invalidCompression(error)
        }
        owesOutput = progress.isFull
        if progress.hasEnded { inflater.startNext() }
        if progress.consumed > 0 || progress.hasEnded { isAfterFinalBlock = progress.hasEnded }
        if progress.consumed == 0, progress.produced == 0, !input.isEmpty, !progress.hasEnded {
            throw .invalidCompression(.corrupt("they lead nowhere"))
        }
        return progress
    }
}
