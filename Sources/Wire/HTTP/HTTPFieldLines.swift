/// Reads lines: a start line, and field lines up to the empty one that ends them.
///
/// A line is looked at when it is whole, so it makes no difference where the bytes were cut.
struct HTTPFieldLines {
    /// The fields that decide about a message were seen once, or again.
    struct Noted: OptionSet {
        let rawValue: UInt16
        static let host = Noted(rawValue: 1)
        static let hostAgain = Noted(rawValue: 2)
        static let contentLength = Noted(rawValue: 4)
        static let contentLengthAgain = Noted(rawValue: 8)
        static let transferEncoding = Noted(rawValue: 16)
        static let transferEncodingAgain = Noted(rawValue: 32)
        static let expect = Noted(rawValue: 64)
    }

    private(set) var noted: Noted = []
    /// Bytes of whole lines so far.
    private var size = 0
    /// Bytes of a line whose end was not among them.
    private var scanned = 0

    /// The next line without its CR LF; nil until all of it is there.
    mutating func line(
        _ bytes: RawSpan, from start: Int, limit: Int, tooLong: HTTPMessageError
    ) throws(HTTPMessageError) -> Range<Int>? {
        guard let feed = bytes.firstLineFeed(from: start + scanned) else {
            scanned = bytes.byteCount - start
            if scanned >= limit { throw tooLong }
            return nil
        }
        scanned = 0
        if feed + 1 - start > limit { throw tooLong }
        guard feed > start, bytes.byte(feed - 1) == UInt8(ascii: "\r") else { throw .bareLineFeed }
        size += feed + 1 - start
        return start..<(feed - 1)
    }

    /// Reads fields into `headers` as far as there are whole lines. True when the empty line was read.
    mutating func fields(
        _ bytes: RawSpan, _ offset: inout Int, into headers: inout HTTPHeaders, most: Int, limit: Int,
        tooLarge: HTTPMessageError
    ) throws(HTTPMessageError) -> Bool {
        let start = offset
        let shift = headers.bytes.count - start
        var isDone = false
        while !isDone, let line = try line(bytes, from: offset, limit: limit - size, tooLong: tooLarge) {
            offset = line.upperBound + 2
            isDone = line.isEmpty
            if isDone { break }
            if headers.count == most { throw .tooManyFields(limit: most) }
            let field = try Self.field(bytes, line)
            note(bytes, field.name)
            headers.fields.append(
                HTTPHeaders.Field(
                    nameStart: UInt32(field.name.lowerBound + shift), nameEnd: UInt32(field.name.upperBound + shift),
                    valueStart: UInt32(field.value.lowerBound + shift),
                    valueEnd: UInt32(field.value.upperBound + shift)))
        }
        unsafe bytes.extracting(start..<offset).withUnsafeBytes { unsafe headers.bytes.append(contentsOf: $0) }
        return isDone
    }

    /// `name: value`, without the blanks around the value.
    private static func field(
        _ bytes: RawSpan, _ line: Range<Int>
    ) throws(HTTPMessageError) -> (name: Range<Int>, value: Range<Int>) {
        var index = line.lowerBound
        if HTTPCharacters.isBlank(bytes.byte(index)) { throw .foldedLine }
        while index < line.upperBound, HTTPCharacters.isToken(bytes.byte(index)) { index += 1 }
        let name = line.lowerBound..<index
        guard index < line.upperBound, bytes.byte(index) == UInt8(ascii: ":") else {
            throw malformedName(bytes, index..<line.upperBound)
        }
        if name.isEmpty { throw .emptyFieldName }
        index += 1
        var end = line.upperBound
        while index < end, HTTPCharacters.isBlank(bytes.byte(index)) { index += 1 }
        while end > index, HTTPCharacters.isBlank(bytes.byte(end - 1)) { end -= 1 }
        for place in index..<end where !HTTPCharacters.isValue(bytes.byte(place)) {
            throw .controlByte(bytes.byte(place))
        }
        return (name, index..<end)
    }

    /// What is wrong with a name that does not end at a colon, but with `rest`.
    private static func malformedName(_ bytes: RawSpan, _ rest: Range<Int>) -> HTTPMessageError {
        for place in rest where !HTTPCharacters.isValue(bytes.byte(place)) { return .controlByte(bytes.byte(place)) }
        guard let colon = rest.first(where: { bytes.byte($0) == UInt8(ascii: ":") }) else { return .missingColon }
        let isBlank = (rest.lowerBound..<colon).allSatisfy { HTTPCharacters.isBlank(bytes.byte($0)) }
        return isBlank ? .blankBeforeColon : .malformedFieldName
    }

    private mutating func note(_ bytes: RawSpan, _ name: Range<Int>) {
        switch name.count {
        case 4: if bytes.matches(lowercased: "host", in: name) { note(.host, again: .hostAgain) }
        case 6: if bytes.matches(lowercased: "expect", in: name) { noted.insert(.expect) }
        case 14:
            if bytes.matches(lowercased: "content-length", in: name) {
                note(.contentLength, again: .contentLengthAgain)
            }
        case 17:
            if bytes.matches(lowercased: "transfer-encoding", in: name) {
                note(.transferEncoding, again: .transferEncodingAgain)
            }
        default: break
        }
    }

    private mutating func note(_ field: Noted, again: Noted) { noted.insert(noted.contains(field) ? again : field) }
}
