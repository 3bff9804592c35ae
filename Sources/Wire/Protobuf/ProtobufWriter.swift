/// Writes the fields of a proto3 message: what is zero or empty is left out.
struct ProtobufWriter {
    private(set) var bytes: [UInt8]

    /// Goes on behind these bytes.
    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func write(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        tag(field, 0)
        Varint.append(value, to: &bytes)
    }

    /// A negative number takes ten bytes.
    mutating func write(_ field: Int, _ value: Int64) { write(field, UInt64(bitPattern: value)) }
    mutating func write(_ field: Int, _ value: Int32) { write(field, Int64(value)) }
    mutating func write(_ field: Int, _ value: Bool) { write(field, value ? 1 : 0 as UInt64) }
    mutating func write(_ field: Int, _ value: String) { if !value.isEmpty { writeElement(field, value) } }
    mutating func write(_ field: Int, _ value: [UInt8]) { if !value.isEmpty { writeElement(field, value) } }

    /// Elements of a repeated field are written even when they are empty.
    mutating func writeElement(_ field: Int, _ value: String) {
        begin(field, count: value.utf8.count)
        bytes.append(contentsOf: value.utf8)
    }

    mutating func writeElement(_ field: Int, _ value: [UInt8]) {
        begin(field, count: value.count)
        bytes.append(contentsOf: value)
    }

    /// A message in a field, which says by being there that it is, even without fields of its own.
    mutating func write(_ field: Int, _ message: (some ProtobufMessage)?) {
        guard let message else { return }
        writeMessage(field) { message.write(to: &$0) }
    }

    /// A map, in the order given.
    mutating func write(_ field: Int, _ pairs: [(key: String, value: String)]) {
        for (key, value) in pairs {
            writeMessage(field) {
                $0.writeElement(1, key)
                $0.writeElement(2, value)
            }
        }
    }

    private mutating func writeMessage(_ field: Int, _ write: (inout ProtobufWriter) -> Void) {
        tag(field, 2)
        let start = bytes.count
        bytes.append(0)  // Room for the length, which one byte mostly holds.
        write(&self)
        var length = UInt64(bytes.count - start - 1)
        let more = Varint.size(length) - 1
        if more > 0 { bytes.insert(contentsOf: repeatElement(0, count: more), at: start) }
        for index in start..<(start + more) {
            bytes[index] = UInt8(truncatingIfNeeded: length) | 0x80
            length >>= 7
        }
        bytes[start + more] = UInt8(length)
    }

    /// A field whose bytes somebody else appends.
    mutating func write(_ field: Int, appending write: (inout [UInt8]) -> Void) {
        writeMessage(field) { write(&$0.bytes) }
    }

    private mutating func begin(_ field: Int, count: Int) {
        tag(field, 2)
        Varint.append(UInt64(count), to: &bytes)
    }

    private mutating func tag(_ field: Int, _ type: UInt64) { Varint.append(UInt64(field) << 3 | type, to: &bytes) }
}
