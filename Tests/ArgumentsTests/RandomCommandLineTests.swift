import OmniwayArguments
import Testing

/// The same seed gives the same numbers, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

private let pieces = [
    "-", "--", "=", "no-", "up", "config", "check", "help", "h", "loops", "client-addr", "ClientAddr", "offset",
    "client-idle-timeout", "max-packet", "verbose", "v", "log-format", "peer", "json", "true", "0", "1", ".", "s", "ms",
    "d", "KiB", "T", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "", " ", "\0", "\r\n",
    "\u{301}", "é", "🧵", "٣", "\u{FFFD}", "\u{1B}[0m", "x",
]

extension SeededGenerator {
    fileprivate mutating func text() -> String {
        (0..<Int.random(in: 0...6, using: &self)).map { _ in
            Bool.random(using: &self) ? pieces.randomElement(using: &self) ?? "" : letter()
        }.joined()
    }

    /// A character of one byte, or what a lone byte of a longer one is repaired to.
    private mutating func letter() -> String {
        String(decoding: [UInt8.random(in: 0...255, using: &self)], as: UTF8.self)
    }
}

@Test(arguments: 1...20 as ClosedRange<UInt64>)
func `any words run, ask for help or end in a hint, but never trap`(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
        var words = [[], ["up"], ["config", "check"]].randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...5, using: &random) {
            words.append(["", "", "-", "--"].randomElement(using: &random) ?? "")
            words[words.count - 1] += random.text()
        }
        do throws(UsageError) {
            switch try Sample.program.parse(words) {
            case .run(let call): #expect(!call.path.isEmpty, "seed \(seed): \(words)")
            case .help(let text): #expect(text.hasPrefix("Usage: omniway"), "seed \(seed): \(words)")
            }
        } catch {
            #expect(error.description.hasSuffix(" --help`)"), "seed \(seed): \(words)")
        }
    }
}

@Test(arguments: 1...20 as ClosedRange<UInt64>)
func `any text is a value or an error, but never a trap`(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
        let text = random.text()
        if let duration = try? ValueKind.duration.parse(text) { #expect(duration >= .zero, "seed \(seed): \(text)") }
        if let bytes = try? ValueKind.size.parse(text) { #expect(bytes >= 0, "seed \(seed): \(text)") }
    }
}
