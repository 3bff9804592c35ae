/// Deflaters and inflaters for those who need one only for the time of a message, and remember nothing from one to the
/// next. Used by one loop; what it holds does not grow with its links.
package final class DeflatePool {
    private static let mostSpare = 4
    private var deflaters: [Deflater] = []
    private var inflaters: [Inflater] = []

    package init() {}

    /// A deflater that has seen nothing. Its hash tables are small: clearing large ones for each message costs more
    /// than they save.
    package func takeDeflater(_ format: DeflateFormat = .raw, windowBits: Int) -> Deflater {
        guard let index = deflaters.lastIndex(where: { $0.format == format && $0.windowBits == windowBits }) else {
            return Deflater(format, windowBits: windowBits, memoryLevel: 6)
        }
        return deflaters.remove(at: index)
    }

    /// An inflater that has seen nothing, with the largest window, so it can inflate anything of its format.
    package func takeInflater(_ format: DeflateFormat = .raw) -> Inflater {
        guard let index = inflaters.lastIndex(where: { $0.format == format }) else { return Inflater(format) }
        return inflaters.remove(at: index)
    }

    package func give(_ deflater: Deflater) {
        if deflaters.count == Self.mostSpare { deflaters.removeFirst() }
        deflater.reset()
        deflaters.append(deflater)
    }

    package func give(_ inflater: Inflater) {
        if inflaters.count == Self.mostSpare { inflaters.removeFirst() }
        inflater.reset()
        inflaters.append(inflater)
    }
}

// MARK: Whole messages

extension DeflatePool {
    /// All of `bytes`, compressed; nil when that is not shorter.
    package func deflated(_ bytes: RawSpan, _ format: DeflateFormat) -> [UInt8]? {
        let deflater = takeDeflater(format, windowBits: 15)
        defer { give(deflater) }
        return deflater.deflate(bytes, atMost: bytes.byteCount - 1)
    }

    /// What `bytes` are compressed from, one whole stream that inflates to `limit` bytes at most.
    package func inflated(
        _ bytes: RawSpan, _ format: DeflateFormat, atMost limit: Int
    ) throws(DeflateError) -> [UInt8] {
        let inflater = takeInflater(format)
        defer { give(inflater) }
        return try inflater.inflate(bytes, atMost: limit)
    }
}
