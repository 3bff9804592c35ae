/// Who a node is: its public key. Nobody else can prove to be it, so it cannot be taken over as a name can.
public struct NodeID: Hashable, Sendable, Comparable, CustomStringConvertible {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Nil unless there are 32 bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 { bytes[8 * index..<8 * index + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Reads what `description` has written, in any case.
    public init?(_ text: String) {
        guard let bytes = Base32.decode(text) else { return nil }
        self.init(bytes)
    }

    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
    }

    /// 52 letters and digits (RFC 4648, section 6, without padding).
    public var description: String { Base32.encode(bytes) }

    /// As their bytes.
    public static func < (a: NodeID, b: NodeID) -> Bool { a.words < b.words }
    public static func == (a: NodeID, b: NodeID) -> Bool { a.words == b.words }
    public func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    /// Tables of nodes are asked for each message, so these 64 bits are all that is hashed of an id. Whoever makes up
    /// ids cannot make up such that share them: the key is drawn when the process starts.
    var digest: UInt64 {
        let key = Self.key
        let low = (words.0 &+ key.0).multipliedFullWidth(by: words.1 &+ key.1)
        let high = (words.2 &+ key.2).multipliedFullWidth(by: words.3 &+ key.3)
        return low.high ^ low.low ^ (high.high &+ high.low &* 0x9e37_79b9_7f4a_7c15)
    }

    private static let key = (drawn(0), drawn(1), drawn(2), drawn(3))
    private static func drawn(_ number: Int) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(number)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
