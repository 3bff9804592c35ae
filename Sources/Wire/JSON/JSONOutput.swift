/// The bytes of a document that is being written. Writers of objects and arrays hand it to one another.
struct JSONOutput {
    var bytes: [UInt8]
    let settings: JSON.Writer
    private var depth = 0

    init(_ bytes: [UInt8], _ settings: JSON.Writer) { (self.bytes, self.settings) = (bytes, settings) }

    mutating func write(_ value: JSON) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): write(value)
        case .number(let value): write(value)
        case .string(let value): write(value)
        case .array(let elements):
            begin("[")
            for (index, element) in elements.enumerated() {
                separate(isFirst: index == 0)
                write(element)
            }
            end("]", isEmpty: elements.isEmpty)
        case .object(let object):
            begin("{")
            for (index, member) in object.enumerated() {
                separate(isFirst: index == 0)
                write(key: member.key)
                write(member.value)
            }
            end("}", isEmpty: object.isEmpty)
        }
    }

    mutating func write(_ value: Bool) { bytes.append(contentsOf: (value ? "true" : "false").utf8) }

    /// JSON has no word for what is not finite; like JavaScript, this writes null.
    mutating func write(_ value: JSON.Number) {
        bytes.append(contentsOf: (value.isFinite ? value.literal : "null").utf8)
    }

    mutating func writeObject(_ members: (inout JSON.ObjectWriter) -> Void) {
        begin("{")
        var object = JSON.ObjectWriter(handOver())
        members(&object)
        let isEmpty = object.isEmpty
        self = object.finish()
        end("}", isEmpty: isEmpty)
    }

    mutating func writeArray(_ elements: (inout JSON.ArrayWriter) -> Void) {
        begin("[")
        var array = JSON.ArrayWriter(handOver())
        elements(&array)
        let isEmpty = array.isEmpty
        self = array.finish()
        end("]", isEmpty: isEmpty)
    }

    // MARK: Between values

    /// What stands in front of a member or element.
    mutating func separate(isFirst: Bool) {
        if !isFirst { bytes.append(",") }
        startLine()
    }

    mutating func write(key: String) {
        write(key)
        bytes.append(contentsOf: (settings.layout == .compact ? ":" : ": ").utf8)
    }

    private mutating func begin(_ bracket: Unicode.Scalar) {
        bytes.append(bracket)
        depth += 1
    }

    private mutating func end(_ bracket: Unicode.Scalar, isEmpty: Bool) {
        depth -= 1
        if !isEmpty { startLine() }
        bytes.append(bracket)
    }

    private mutating func startLine() {
        guard case .indented(let width) = settings.layout else { return }
        bytes.append("\n")
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: width * depth))
    }

    /// Itself, leaving nothing behind, so that the bytes have one owner and are never copied.
    private mutating func handOver() -> JSONOutput { exchange(&self, with: JSONOutput([], settings)) }
}
