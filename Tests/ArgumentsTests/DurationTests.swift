import OmniwayArguments
import Testing

@Test(arguments: [
    ("0", Duration.zero), ("30s", .seconds(30)), ("1m30s", .seconds(90)), ("250ms", .milliseconds(250)),
    ("1.5h", .seconds(5400)), ("10us", .microseconds(10)), ("5ns", .nanoseconds(5)), ("2d", .seconds(172_800)),
    ("0s", .zero), ("1h0.5m", .seconds(3630)), ("0.000000001s", .nanoseconds(1)),
    ("1.50000000000000000000s", .milliseconds(1500)),
    ("00000000000000000000001s", .seconds(1)), ("9223372036854775807ns", .nanoseconds(Int64.max)),
])
func `a duration is a sum of numbers with units`(_ text: String, _ duration: Duration) throws {
    #expect(try ValueKind.duration.parse(text) == duration)
}

@Test(arguments: ["30", "1m30", "1.5", "00"])
func `a number other than 0 needs a unit`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.duration.parse(text) }
    #expect(error?.description.contains("write a number with a unit, such as 30s") == true)
}

@Test(arguments: [
    "", "s", "-5s", "+5s", "5 s", " 5s", "5S", "5sec", "1..5s", "1.s", ".5s", "1.2.3s", "1e3s", "٣s", "5s\0",
])
func `what is not a duration is refused`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.duration.parse(text) }
    #expect(error?.description.contains("is not a duration") == true)
}

@Test(arguments: [
    "9223372036854775808ns", "106752d", "99999999999999999999999999s", "106751d24h",
    String(repeating: "9223372036854775807d", count: 300_000),
])
func `a duration beyond 64 bits is refused, never trapped on`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.duration.parse(text) }
    #expect(error?.description.hasSuffix("is too large; write at most 106751d") == true)
}

@Test(arguments: ["0.5ns", "1.0000000001s", "0.0000000000000000000000000000000000000001s"])
func `a duration finer than a nanosecond is refused`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.duration.parse(text) }
    #expect(error?.description.contains("is too fine; write no parts of 1ns") == true)
}

@Test(arguments: [
    (Duration.zero, "0"), (.seconds(30), "30s"), (.seconds(60), "1m"), (.seconds(90), "90s"),
    (.milliseconds(250), "250ms"), (.milliseconds(1500), "1.5s"), (.seconds(600), "10m"), (.seconds(86_400), "1d"),
    (.seconds(129_600), "36h"), (.seconds(3601), "1h1s"), (.nanoseconds(1), "1ns"), (.seconds(-90), "-90s"),
    (.nanoseconds(86_400_000_000_001), "1d1ns"), (.nanoseconds(Int64.max), "9223372036854775807ns"),
])
func `a duration is written as short as it can be`(_ duration: Duration, _ text: String) {
    #expect(ValueKind.duration.format(duration) == text)
}

@Test func `durations that cannot be read back are still written`() {
    #expect(ValueKind.duration.format(Duration(attoseconds: 1)) == "0")
    #expect(ValueKind.duration.format(.seconds(Int64.max)).hasSuffix("s"))
    #expect(ValueKind.duration.format(.seconds(Int64.min)).hasPrefix("-"))
}

@Test(arguments: 1...10 as ClosedRange<UInt64>)
func `a duration is read as it was written`(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<50 {
        let unit = [1, 1000, 1_000_000, 1_000_000_000, 60_000_000_000].randomElement(using: &random) ?? 1
        let duration = Duration.nanoseconds(Int.random(in: 0...Int.max, using: &random) / unit * unit)
        let text = ValueKind.duration.format(duration)
        #expect(try ValueKind.duration.parse(text) == duration, "\(text), seed \(seed)")
    }
}
