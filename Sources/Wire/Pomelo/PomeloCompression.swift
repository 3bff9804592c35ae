package import OmniwayCrypto

/// When the bodies of messages are sent as zlib streams. (The flag is called gzip in many sources; gzip it is not.)
package struct PomeloCompression: Sendable {
    /// Bodies of fewer bytes are sent as they are. The reference has no such limit, and pays for a try each time.
    package let threshold: Int

    package init(threshold: Int) { self.threshold = threshold }

    /// The body to send instead, if that is shorter.
    package func compressed(_ body: RawSpan, by pool: DeflatePool) -> [UInt8]? {
        body.byteCount >= threshold ? pool.deflated(body, .zlib) : nil
    }

    /// The body that was compressed. Both directions accept one at any time, whatever they send themselves.
    package static func inflated(
        _ body: RawSpan, atMost limit: Int, by pool: DeflatePool
    ) throws(PomeloError) -> [UInt8] {
        do throws(DeflateError) {
            return try pool.inflated(body, .zlib, atMost: limit)
        } catch {
            throw .malformedBody(error)
        }
    }
}
