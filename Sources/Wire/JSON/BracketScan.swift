/// Follows the brackets of a JSON text byte by byte, to know where it ends.
package struct BracketScan: Sendable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    package init() {}

    /// Every bracket is closed.
    package var isAtEnd: Bool { depth == 0 }

    package mutating func look(at byte: UInt8) {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        default: break
        }
    }
}
