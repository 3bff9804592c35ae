import OmniwayArguments
import Testing

@Test(arguments: [
    ("512", 512), ("512B", 512), ("0", 0), ("512K", 524_288), ("512KB", 524_288), ("512KiB", 524_288),
    ("4M", 4_194_304), ("4MB", 4_194_304), ("4MiB", 4_194_304), ("1G", 1 << 30), ("1GB", 1 << 30), ("1GiB", 1 << 30),
    ("1T", 1 << 40), ("1.5K", 1536), ("0.5M", 524_288), ("1.25GiB", 1_342_177_280), ("0.0009765625K", 1),
    ("9223372036854775807", .max), ("8388607T", .max - (1 << 40) + 1),
])
func `a size counts bytes in units of 1024`(_ text: String, _ bytes: Int) throws {
    #expect(try ValueKind.size.parse(text) == bytes)
}

@Test(arguments: ["", "K", "iB", "-1K", "1 K", "1k", "1iB", "1KiBB", "1K512", "1M1K", "1.K", "1_000", "0x10", "1K\n"])
func `what is not a size is refused`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.size.parse(text) }
    #expect(error?.description.contains("is not a size; write a number of bytes, such as 512, 64K or 1.5M") == true)
}

@Test(arguments: ["9223372036854775808", "8388608T", "99999999999999999999999G"])
func `a size beyond 64 bits is refused, never trapped on`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.size.parse(text) }
    #expect(error?.description == #""\#(text)" is too large; write at most 8388607T"#)
}

@Test(arguments: ["0.3K", "0.5", "1.0000000001M", "0.5B"])
func `a size with a part of a byte is refused`(_ text: String) {
    let error = #expect(throws: ValueError.self) { try ValueKind.size.parse(text) }
    #expect(error?.description.contains("is too fine; write no parts of 1B") == true)
}

@Test(arguments: [
    (0, "0"), (1, "1"), (512, "512"), (1024, "1K"), (1536, "1536"), (524_288, "512K"), (1 << 20, "1M"),
    (1_000_000, "1000000"), (1_572_864, "1.5M"), (1 << 40, "1T"), (.max, "9223372036854775807"), (-1536, "-1536"),
])
func `a size is written as short as it can be`(_ bytes: Int, _ text: String) {
    #expect(ValueKind.size.format(bytes) == text)
}

@Test(arguments: 1...10 as ClosedRange<UInt64>)
func `a size is read as it was written`(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<50 {
        let unit = 1 << Int.random(in: 0...40, using: &random)
        let bytes = Int.random(in: 0...Int.max, using: &random) / unit * unit
        let text = ValueKind.size.format(bytes)
        #expect(try ValueKind.size.parse(text) == bytes, "\(text), seed \(seed)")
    }
}
