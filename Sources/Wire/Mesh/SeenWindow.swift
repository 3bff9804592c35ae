/// Which messages of one origin were seen: the highest number, and a bit for each of those below it. Memory does not
/// grow with messages.
package struct SeenWindow: Equatable, Sendable {
    /// When the origin was started: one that comes back begins anew.
    package private(set) var epoch: UInt64
    package private(set) var highest: UInt64
    /// Bit 0 of word 0 is `highest`, the next the one below it.
    private var words: [UInt64]
    /// The first that was heard, and where the window begins: what is below was sent before.
    package let firstHeard: UInt64
    private let first: UInt64

    package static let size: UInt64 = 1024

    /// Begins with the first message that was heard. A few before it may still come: messages overtake one another.
    package init(epoch: UInt64, first sequence: UInt64, before reach: UInt64 = 32) {
        self.epoch = epoch
        (highest, firstHeard) = (sequence, sequence)
        first = sequence > reach ? sequence - reach : 0
        words = [UInt64](repeating: 0, count: Int(Self.size / 64))
        words[0] = 1
    }

    package func hasSeen(_ sequence: UInt64) -> Bool {
        if sequence > highest { return false }
        let age = highest - sequence
        if age >= Self.size || sequence < first { return true }
        return words[Int(age / 64)] >> (age % 64) & 1 == 1
    }

    /// So long ago that nobody knows whether it was here.
    package func isForgotten(_ sequence: UInt64) -> Bool {
        sequence < first || (sequence <= highest && highest - sequence >= Self.size)
    }

    /// It was here: not only too old to be of interest.
    package func hasReceived(_ sequence: UInt64) -> Bool { sequence >= first && hasSeen(sequence) }

    /// False when it was seen before, or is too old to tell.
    package mutating func insert(_ sequence: UInt64) -> Bool {
        if hasSeen(sequence) { return false }
        if sequence > highest {
            shift(by: sequence - highest)
            highest = sequence
        }
        let age = highest - sequence
        words[Int(age / 64)] |= 1 << (age % 64)
        return true
    }

    /// Those that are missing, the lowest first, up to so many.
    package func gaps(atMost most: Int) -> [UInt64] {
        var gaps: [UInt64] = []
        var sequence = max(first, highest < Self.size ? 0 : highest - Self.size + 1)
        while sequence < highest, gaps.count < most {
            if !hasSeen(sequence) { gaps.append(sequence) }
            sequence += 1
        }
        return gaps
    }

    /// Whether any is missing since the first that was heard.
    package var hasGaps: Bool {
        var left = highest - max(firstHeard, highest < Self.size ? 0 : highest - Self.size + 1) + 1
        for word in words {
            let wanted: UInt64 = left >= 64 ? .max : (1 << left) - 1
            if word & wanted != wanted { return true }
            left -= min(left, 64)
        }
        return false
    }

    private mutating func shift(by count: UInt64) {
        guard count < Self.size else { return words = [UInt64](repeating: 0, count: words.count) }
        let (whole, bits) = (Int(count / 64), count % 64)
        for index in words.indices.reversed() {
            let high = index >= whole ? words[index - whole] << bits : 0
            let low = bits > 0 && index > whole ? words[index - whole - 1] >> (64 - bits) : 0
            words[index] = high | low
        }
    }
}
