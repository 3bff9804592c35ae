import OmniwayTesting
import OmniwayWire
import Testing

/// Random values, the same for the same seed.
@Suite struct JSONRoundTripTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `a value comes back as it was written`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<50 {
            let value = random.value(depth: 4)
            for escaping in [JSON.Writer.Escaping.minimal, .go] {
                for layout in [JSON.Writer.Layout.compact, .indented(3)] {
                    let bytes = JSON.Writer(escaping: escaping, layout: layout).bytes(of: value)
                    for reader in [JSON.Reader(), .go, .json5] {
                        #expect(try reader.read(bytes) == value, "seed \(seed)")
                        #expect(try reader.readNode(bytes).value == value, "seed \(seed)")
                    }
                }
            }
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `a number comes back as it was`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let number = random.finiteDouble()
            let literal = JSON(number).description
            #expect(try JSON.Reader().read(literal).double() == number, "seed \(seed): \(literal)")
            let whole = Int.random(in: .min ... .max, using: &random) >> Int.random(in: 0..<63, using: &random)
            #expect(try JSON.Reader().read(JSON(whole).description).int() == whole, "seed \(seed): \(whole)")
        }
    }
}

extension SeededRandom {
    private static let texts = [
        "a", "key", "\"", "\\", "/", "\n", "\0", "\u{1f}", "<", "&", "é", "e\u{301}", "信", "😀", "\u{2028}", "\u{fffd}",
        "'", " ",
        "\u{7f}", "\u{feff}", "a longer piece of text",
    ]

    fileprivate mutating func value(depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &self) {
        case 0: .null
        case 1: .bool(Bool.random(using: &self))
        case 2: JSON(Int.random(in: -1_000_000...1_000_000, using: &self))
        case 3: JSON(finiteDouble())
        case 4: .string(text())
        case 5: .array((0..<Int.random(in: 0...5, using: &self)).map { _ in value(depth: depth - 1) })
        default: .object(object(depth: depth - 1))
        }
    }

    private mutating func object(depth: Int) -> JSON.Object {
        var object = JSON.Object()
        for _ in 0..<Int.random(in: 0...12, using: &self) { object[text()] = value(depth: depth) }
        return object
    }

    private mutating func text() -> String {
        (0..<Int.random(in: 0...6, using: &self)).map { _ in Self.texts.randomElement(using: &self) ?? "" }.joined()
    }

    fileprivate mutating func finiteDouble() -> Double {
        while true {
            let number = Double(bitPattern: next())
            if number.isFinite { return number }
        }
    }
}
