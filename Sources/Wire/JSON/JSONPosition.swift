extension JSON {
    /// A place in a text: a line and a column for people, a byte for programs.
    public struct Position: Sendable, Equatable, CustomStringConvertible {
        /// How many bytes stand before it.
        public let offset: Int
        /// From 1. A line ends with LF, CR or both.
        public let line: Int
        /// From 1, in Unicode scalars, as most editors count. A tab is one.
        public let column: Int

        init(of offset: Int, in bytes: Span<UInt8>) {
            self.offset = min(offset, bytes.count)
            var line = 1
            var column = 1
            var previous: UInt8 = 0
            for index in 0..<self.offset {
                let byte = bytes[index]
                switch byte {
                case "\n" where previous == "\r": break
                case "\n", "\r": (line, column) = (line + 1, 1)
                case 0x80...0xbf: break  // Goes on with a scalar that was counted by its first byte.
                default: column += 1
                }
                previous = byte
            }
            (self.line, self.column) = (line, column)
        }

        /// As compilers write it: `12:8`.
        public var description: String { "\(line):\(column)" }
    }
}
