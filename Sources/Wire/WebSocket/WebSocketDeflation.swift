package import OmniwayCrypto

/// The messages of one connection on their way out, compressed (RFC 7692, 7.2.1).
package final class WebSocketDeflation {
    private let pool: DeflatePool
    private let windowBits: Int
    private let keepsContext: Bool
    private var deflater: Deflater?
    /// The last bytes of what zlib gave. At the end of a message they are the tail, which is not sent.
    private var held: InlineArray<4, UInt8> = [0, 0, 0, 0]
    private var heldCount = 0

    /// With `keepsContext` messages may refer to earlier ones, and a deflater stays with the connection.
    package init(pool: DeflatePool, windowBits: Int, keepsContext: Bool) {
        (self.pool, self.windowBits, self.keepsContext) = (pool, windowBits, keepsContext)
    }

    package func begin() {
        if deflater == nil { deflater = pool.takeDeflater(windowBits: windowBits) }
        heldCount = 0
    }

    /// The message has ended, so its deflater may serve others.
    package func end() {
        guard !keepsContext, let last = deflater else { return }
        pool.give(last)
        deflater = nil
    }

    /// Compresses until `input` is used or `output`, of more than 16 bytes, is full. What stands in `output` may be
    /// sent.
    package func deflate(
        _ input: RawSpan, isLast: Bool, into output: UnsafeMutableRawBufferPointer
    ) -> DeflateProgress {
        guard let deflater else { preconditionFailure("no message began") }
        for index in 0..<heldCount { unsafe output[index] = held[index] }
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: output[heldCount...])
        var progress = unsafe deflater.deflate(input, isLast ? .sync : .none, into: room)
        let count = heldCount + progress.produced
        heldCount = min(4, count)
        progress.produced = count - heldCount
        for index in 0..<heldCount { held[index] = unsafe output[progress.produced + index] }
        return progress
    }
}
