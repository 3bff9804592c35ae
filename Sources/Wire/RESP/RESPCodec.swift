/// Reads what Redis answers, and writes commands.
package struct RESPCodec: Sendable {
    /// Most bytes of one string, and of an answer altogether.
    package var mostBytes: Int
    /// Most elements of a list.
    package static let mostElements = 1 << 16
    private static let mostLine = 64 << 10
    private static let mostDepth = 8

    package init(mostBytes: Int = 8 << 20) { self.mostBytes = mostBytes }

    /// The next value from `offset` on, which moves behind it; nil until all of it has arrived.
    package func next(in bytes: RawSpan, at offset: inout Int) throws(RESPError) -> RESPValue? {
        var end = offset
        guard let value = try value(in: bytes, at: &end, depth: 0) else {
            if bytes.byteCount - offset > mostBytes { throw .tooLarge(bytes.byteCount - offset, limit: mostBytes) }
            return nil
        }
        offset = end
        return value
    }

    private func value(in bytes: RawSpan, at offset: inout Int, depth: Int) throws(RESPError) -> RESPValue? {
        guard depth <= Self.mostDepth else { throw .tooDeep(limit: Self.mostDepth) }
        guard offset < bytes.byteCount else { return nil }
        let type = bytes.byte(offset)
        guard Array("+-:$*".utf8).contains(type) else { throw .unknownType(type) }
        guard let line = try line(in: bytes, at: &offset) else { return nil }
        switch type {
        case UInt8(ascii: "+"): return .text(bytes.text(line))
        case UInt8(ascii: "-"): return .error(bytes.text(line))
        case UInt8(ascii: ":"): return .number(try number(in: bytes, line))
        case UInt8(ascii: "$"): return try string(in: bytes, at: &offset, count: try count(in: bytes, line, mostBytes))
        default: return try list(in: bytes, at: &offset, try count(in: bytes, line, Self.mostElements), depth)
        }
    }

    /// What stands behind the first byte, without the end of the line.
    private func line(in bytes: RawSpan, at offset: inout Int) throws(RESPError) -> Range<Int>? {
        guard let feed = bytes.firstLineFeed(from: offset) else {
            if bytes.byteCount - offset > Self.mostLine {
                throw .tooLarge(bytes.byteCount - offset, limit: Self.mostLine)
            }
            return nil
        }
        guard feed - offset >= 2, bytes.byte(feed - 1) == UInt8(ascii: "\r") else {
            throw .malformed(bytes.text(offset..<min(feed, offset + 100)))
        }
        defer { offset = feed + 1 }
        return offset + 1..<feed - 1
    }

    private func number(in bytes: RawSpan, _ line: Range<Int>) throws(RESPError) -> Int64 {
        // No number has more digits.
        guard line.count <= 20, let number = Int64(bytes.text(line)) else {
            throw .malformed(bytes.text(line.prefix(100)))
        }
        return number
    }

    /// Nil for nothing, which is written as -1.
    private func count(in bytes: RawSpan, _ line: Range<Int>, _ most: Int) throws(RESPError) -> Int? {
        let number = try number(in: bytes, line)
        if number == -1 { return nil }
        guard number >= 0 else { throw .malformed(bytes.text(line)) }
        guard number <= most else { throw .tooLarge(Int(clamping: number), limit: most) }
        return Int(number)
    }

    private func string(in bytes: RawSpan, at offset: inout Int, count: Int?) throws(RESPError) -> RESPValue? {
        guard let count else { return .null }
        let end = offset + count
        guard bytes.byteCount >= end + 2 else { return nil }
        guard bytes.byte(end) == UInt8(ascii: "\r"), bytes.byte(end + 1) == UInt8(ascii: "\n") else {
            throw .malformed("a string that does not end with its line")
        }
        defer { offset = end + 2 }
        return .bytes(bytes.array(offset..<end))
    }

    private func list(
        in bytes: RawSpan, at offset: inout Int, _ count: Int?, _ depth: Int
    ) throws(RESPError) -> RESPValue? {
        guard let count else { return .null }
        var elements: [RESPValue] = []
        for _ in 0..<count {
            guard let element = try value(in: bytes, at: &offset, depth: depth + 1) else { return nil }
            elements.append(element)
        }
        return .array(elements)
    }

    /// A command with its arguments.
    package static func append(_ command: [[UInt8]], to bytes: inout [UInt8]) {
        bytes += "*\(command.count)\r\n".utf8
        for word in command {
            bytes += "$\(word.count)\r\n".utf8
            bytes += word
            bytes += "\r\n".utf8
        }
    }
}
