/// Deflaters and inflaters for those who need one only for the time of a message, and remember nothing from one to the
/// next. Used by one loop; what it holds does not grow with its links.
package final class DeflatePool {
    private static let mostSpare = 4
    private var deflaters: [Deflater] = []
    private var inflaters: [Inflater] = []

    package init() {}

    /// A raw deflater that has seen nothing. Its hash tables are small: clearing large ones for each message costs more
    /// than they save.
    package func takeDeflater(windowBits: Int) -> Deflater {
        guard let index = deflaters.lastIndex(where: { $0.windowBits == windowBits }) else {
            return Deflater(.raw, windowBits: windowBits, memoryLevel: 6)
        }
        return deflaters.remove(at: index)
    }

    /// A raw inflater that has seen nothing, with the largest window, so it can inflate anything.
    package func takeInflater() -> Inflater { inflaters.popLast() ?? Inflater(.raw) }

    package func give(_ deflater: Deflater) {
        if deflaters.count == Self.mostSpare { deflaters.removeFirst() }
        deflater.reset()
        deflaters.append(deflater)
    }

    package func give(_ inflater: Inflater) {
        guard inflaters.count < Self.mostSpare else { return }
        inflater.reset()
        inflaters.append(inflater)
    }
}
