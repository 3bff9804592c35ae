/// Headers of a message: `NATS/1.0`, a status if there is one, and lines as in HTTP.
package enum NATSHeaderBlock {
    private static let version = Array("NATS/1.0".utf8)

    /// What a server answers for a subject that nobody listens to.
    package static let noResponders = Array("NATS/1.0 503\r\n\r\n".utf8)

    /// Nil when a name or a value cannot be written: a name is visible ASCII without a colon, a value one line.
    package static func encode(_ fields: [(name: String, value: String)]) -> [UInt8]? {
        var block = version + NATSWriter.lineEnd
        for (name, value) in fields {
            guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }),
                value.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x09 })
            else { return nil }
            block += name.utf8
            block.append(UInt8(ascii: ":"))
            block.append(0x20)
            block += value.utf8
            block += NATSWriter.lineEnd
        }
        return block + NATSWriter.lineEnd
    }

    /// The number behind the version; nil when there is none.
    package static func status(of block: RawSpan) -> Int? {
        guard block.byteCount >= version.count + 4, block.byte(version.count) == 0x20 else { return nil }
        var status = 0
        for index in version.count + 1..<version.count + 4 {
            let digit = block.byte(index) &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            status = status * 10 + Int(digit)
        }
        return status
    }

    /// The fields in their order. Lines that are no fields are passed over.
    package static func fields(of block: RawSpan) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        var start = (block.firstLineFeed(from: 0) ?? block.byteCount) + 1
        while start < block.byteCount, let feed = block.firstLineFeed(from: start) {
            let end = feed > start && block.byte(feed - 1) == UInt8(ascii: "\r") ? feed - 1 : feed
            if let colon = (start..<end).first(where: { block.byte($0) == UInt8(ascii: ":") }), colon > start {
                let value = block.text(colon + 1..<end).drop { $0 == " " || $0 == "\t" }
                fields.append((block.text(start..<colon), String(value)))
            }
            start = feed + 1
        }
        return fields
    }
}
