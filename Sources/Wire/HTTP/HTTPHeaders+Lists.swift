/// Fields whose values are lists, such as `Connection: keep-alive, Upgrade`.
extension HTTPHeaders {
    /// The elements of all fields of that name together. A comma within quotes does not separate.
    public func list(_ name: String) -> [String] {
        var elements: [String] = []
        forEachElement(of: name) { elements.append(text($0)) }
        return elements
    }

    /// Whether a list has an element, whatever its case is.
    public func lists(_ name: String, _ element: String) -> Bool {
        var found = false
        forEachElement(of: name) { if isEqual($0, element) { found = true } }
        return found
    }

    private func forEachElement(of name: String, _ body: (Range<Int>) -> Void) {
        for field in fields where isName(of: field, name) {
            var start = Int(field.valueStart)
            var isQuoted = false
            var index = start
            while index < field.valueEnd {
                let byte = bytes[index]
                if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
                if isQuoted, byte == UInt8(ascii: "\\") { index += 1 }  // The next byte stands for itself.
                if byte == UInt8(ascii: ","), !isQuoted {
                    giveElement(start..<index, body)
                    start = index + 1
                }
                index += 1
            }
            giveElement(start..<Int(field.valueEnd), body)
        }
    }

    private func giveElement(_ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, HTTPCharacters.isBlank(bytes[start]) { start += 1 }
        while start < end, HTTPCharacters.isBlank(bytes[end - 1]) { end -= 1 }
        if start < end { body(start..<end) }
    }
}
