/// Deflaters and inflaters for those who need one only for the time of a message, and remember nothing from one to the
/// next. Used by one loop; what it holds does not grow with its links.
package final class DeflatePool {
    private static let mostSpare = 4
    private let level: Int
    private var deflaters: [Deflater] = []
    private var inflaters: [Inflater] = []

    package init(level: Int = 6) { self.level = level }

    /// A raw deflater that has seen nothing, at most one for each window. It is the caller's until it asks for another.
    package func deflater(windowBits: Int) -> Deflater {
        if let deflater = deflaters.first(where: { $0.windowBits == windowBits }) {
            deflater.reset()
            return deflater
        }
        let deflater = ownDeflater(windowBits: windowBits)
        deflaters.append(deflater)
        return deflater
    }

    /// One for a caller that remembers. Its hash tables are small: clearing large ones for each message costs more than
    /// they save.
    package func ownDeflater(windowBits: Int) -> Deflater {
        Deflater(.raw, windowBits: windowBits, level: level, memoryLevel: 6)
    }

    /// A raw inflater with the largest window, which can inflate anything; the caller's until it gives it back.
    package func takeInflater() -> Inflater { inflaters.popLast() ?? Inflater(.raw) }

    package func give(_ inflater: Inflater) {
        guard inflaters.count < Self.mostSpare else { return }
        inflater.reset()
        inflaters.append(inflater)
    }
}
