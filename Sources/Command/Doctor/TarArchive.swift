/// Files in one, as `tar` writes them (POSIX ustar).
struct TarArchive: Sendable {
    private var blocks: [UInt8] = []
    private static let block = 512

    mutating func add(_ name: String, _ text: String) {
        let content = Array(text.utf8)
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put("omniway/\(name)", at: 0)
        put(octal(0o600, 7), at: 100)
        for offset in [108, 116] { put(octal(0, 7), at: offset) }
        put(octal(content.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put("        ", at: 148)  // The sum counts itself as blanks.
        put("0", at: 156)
        put("ustar\u{0}00", at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148)
        blocks += header + content
        blocks += [UInt8](repeating: 0, count: (Self.block - content.count % Self.block) % Self.block)
    }

    /// Two empty blocks are the end.
    var bytes: [UInt8] { blocks + [UInt8](repeating: 0, count: 2 * Self.block) }
}
