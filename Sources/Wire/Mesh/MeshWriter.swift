/// Bytes of a frame, one value after the other: big-endian numbers, ids as they are, texts behind one byte of length.
struct MeshWriter {
    var bytes: [UInt8] = []

    mutating func write<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number) {
        for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }

    mutating func write(_ node: NodeID) { bytes += node.bytes }

    mutating func write(_ id: GossipID) {
        write(id.origin)
        write(id.epoch)
        write(id.sequence)
    }

    /// Up to 255 bytes of it.
    mutating func write(_ text: String) {
        var part = text.utf8.prefix(MeshContact.longest)
        while !part.isEmpty, String(validating: part, as: UTF8.self) == nil { part.removeLast() }
        bytes.append(UInt8(part.count))
        bytes += part
    }

    /// In whole milliseconds, up to seven weeks. Not by a division: that is one too few where it rounds down, and what
    /// was read would be written, and signed, as something else.
    mutating func write(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let whole = min(max(0, seconds), Int64(UInt32.max))
        write(UInt32(clamping: whole * 1000 + attoseconds / 1_000_000_000_000_000))
    }

    mutating func write(_ contact: MeshContact) {
        write(contact.id)
        write(contact.name)
        write(contact.address)
        write(contact.epoch)
    }

    mutating func write<Element>(many elements: [Element], _ write: (inout MeshWriter, Element) -> Void) {
        self.write(UInt16(elements.count))
        for element in elements { write(&self, element) }
    }
}

/// A frame of the mesh that is none: its sender does not speak this protocol.
package enum MeshFrameError: Error, Equatable, Sendable {
    case tooShort
    case tooLong
    case unknownKind(UInt8)
    case badValue
}

struct MeshReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func take(_ count: Int) throws(MeshFrameError) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw .tooShort }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func takeRest() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type = Number.self
    ) throws(MeshFrameError) -> Number {
        var number: Number = 0
        for byte in try take(Number.bitWidth / 8) { number = number << 8 | Number(byte) }
        return number
    }

    mutating func node() throws(MeshFrameError) -> NodeID {
        guard let node = NodeID(Array(try take(32))) else { throw .tooShort }
        return node
    }

    mutating func gossipID() throws(MeshFrameError) -> GossipID {
        GossipID(origin: try node(), epoch: try number(), sequence: try number())
    }

    mutating func text() throws(MeshFrameError) -> String {
        let count = Int(try number(UInt8.self))
        guard let text = String(validating: try take(count), as: UTF8.self) else { throw .badValue }
        return text
    }

    mutating func duration() throws(MeshFrameError) -> Duration { .milliseconds(Int64(try number(UInt32.self))) }

    mutating func contact() throws(MeshFrameError) -> MeshContact {
        MeshContact(try node(), name: try text(), address: try text(), epoch: try number())
    }

    /// Elements of at least `size` bytes each: a count that the frame cannot hold is refused before anything is made.
    mutating func many<Element>(
        size: Int, _ read: (inout MeshReader) throws(MeshFrameError) -> Element
    ) throws(MeshFrameError) -> [Element] {
        let count = Int(try number(UInt16.self))
        guard rest.count >= count * size else { throw .tooShort }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try read(&self)) }
        return elements
    }

    func end() throws(MeshFrameError) {
        guard rest.isEmpty else { throw .tooLong }
    }
}

extension UInt8 {
    /// A flag; any other byte than 0 and 1 is refused.
    func flag() throws(MeshFrameError) -> Bool {
        guard self <= 1 else { throw .badValue }
        return self == 1
    }
}
