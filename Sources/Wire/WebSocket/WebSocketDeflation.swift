package import OmniwayCrypto

/// The messages of one connection on their way out, compressed (RFC 7692, 7.2.1).
package struct WebSocketDeflation {
    private let pool: DeflatePool
    private let windowBits: Int
    /// A deflater of its own, if later messages may refer to earlier ones.
    private let own: Deflater?
    private var current: Deflater?
    /// The last bytes of what zlib gave. At the end of a message they are the tail, which is not sent.
    private var held: InlineArray<4, UInt8> = [0, 0, 0, 0]
    private var heldCount = 0

    package init(pool: DeflatePool, windowBits: Int, keepsContext: Bool) {
        (self.pool, self.windowBits) = (pool, windowBits)
        own = keepsContext ? pool.ownDeflater(windowBits: windowBits) : nil
    }

    /// A message begins. It is compressed to its end before another of the same loop begins.
    package mutating func begin() {
        current = own ?? pool.deflater(windowBits: windowBits)
        heldCount = 0
    }

    /// Compresses until `input` is used or `output`, of more than 16 bytes, is full. What stands in `output` may be
    /// sent.
    package mutating func deflate(
        _ input: RawSpan, isLast: Bool, into output: UnsafeMutableRawBufferPointer
    ) -> DeflateProgress {
        guard let current else { preconditionFailure("no message began") }
        for index in 0..<heldCount { unsafe output[index] = held[index] }
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: output[heldCount...])
        var progress = unsafe current.deflate(input, isLast ? .sync : .none, into: room)
        let count = heldCount + progress.produced
        heldCount = min(4, count)
        progress.produced = count - heldCount
        for index in 0..<heldCount { held[index] = unsafe output[progress.produced + index] }
        return progress
    }
}
