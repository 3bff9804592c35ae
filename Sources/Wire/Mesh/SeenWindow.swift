/// Which messages of one origin were seen: the highest number, and a bit for it and each of those below it. Memory does
/// not grow with messages.
package struct SeenWindow: Equatable, Sendable {
    /// When the origin was started: one that comes back begins anew.
    package private(set) var epoch: UInt64
    package private(set) var highest: UInt64
    /// A number has the bit that it is modulo the size; those below the window have given theirs away.
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
        words[Self.word(sequence)] = Self.bit(sequence)
    }

    private static func word(_ sequence: UInt64) -> Int { Int(sequence % size / 64) }
    private static func bit(_ sequence: UInt64) -> UInt64 { 1 << (sequence % 64) }

    package func hasSeen(_ sequence: UInt64) -> Bool {
        if sequence > highest { return false }
        if highest - sequence >= Self.size || sequence < first { return true }
        return words[Self.word(sequence)] & Self.bit(sequence) != 0
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
        if sequence > highest { advance(to: sequence) }
        words[Self.word(sequence)] |= Self.bit(sequence)
        return true
    }

    /// Those that are missing, the lowest first, up to so many.
    package func gaps(atMost most: Int) -> [UInt64] {
        var gaps: [UInt64] = []
        var sequence = max(first, lowest)
        while sequence < highest, gaps.count < most {
            if !hasSeen(sequence) { gaps.append(sequence) }
            sequence += 1
        }
        return gaps
    }

    /// Whether any is missing since the first that was heard.
    package var hasGaps: Bool {
        var sequence = max(firstHeard, lowest)
        while true {
            let wanted = UInt64.max << (sequence % 64)
            let isLast = highest - sequence < 64 - sequence % 64
            let mask = isLast ? wanted & (.max >> (63 - highest % 64)) : wanted
            if words[Self.word(sequence)] & mask != mask { return true }
            if isLast { return false }
            sequence += 64 - sequence % 64
        }
    }

    private var lowest: UInt64 { highest < Self.size ? 0 : highest - Self.size + 1 }

    private mutating func advance(to sequence: UInt64) {
        if sequence - highest >= Self.size {
            words = [UInt64](repeating: 0, count: words.count)
        } else {
            for skipped in highest + 1...sequence { words[Self.word(skipped)] &= ~Self.bit(skipped) }
        }
        highest = sequence
    }
}
