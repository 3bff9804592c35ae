import OmniwayWire

/// Any bytes are a value or an error, and no trap. What was read is read again from what is written of it, and what
/// RFC 8259 allows means the same to every reader.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let strict = value(of: bytes, by: JSON.Reader())
    #if PLANTED_BUG
        if case .object(let object)? = strict, object.count > 1, object[""] != nil { fatalError("planted") }
    #endif
    for reader in [JSON.Reader.go, .json5] {
        let value = value(of: bytes, by: reader)
        precondition(strict == nil || strict == value, "a lenient reader reads something else")
        if let value, isFinite(value) { checkWriting(value, reader) }
    }
    return 0
}

private func value(of bytes: [UInt8], by reader: JSON.Reader) -> JSON? {
    do throws(JSON.ReadError) {
        let value = try reader.read(bytes)
        let node = try reader.readNode(bytes)
        precondition(node.value == value, "a node has another value")
        checkPlaces(node, bytes.count)
        return value
    } catch {
        precondition((error.position?.offset ?? 0) <= bytes.count, "an error outside the text")
        precondition(!error.description.isEmpty)
        return nil
    }
}

private func checkPlaces(_ node: JSON.Node, _ end: Int) {
    precondition(node.position.offset < end, "a value outside the text")
    for (_, child) in node.members.prefix(3) {
        precondition(node.position.offset < (child.keyPosition?.offset ?? 0), "a key outside its object")
        precondition((child.keyPosition?.offset ?? end) < child.position.offset, "a value before its key")
        checkPlaces(child, end)
    }
    for child in node.elements.prefix(3) {
        precondition(node.position.offset < child.position.offset, "an element outside its array")
        checkPlaces(child, end)
    }
}

private func checkWriting(_ value: JSON, _ reader: JSON.Reader) {
    for escaping in [JSON.Writer.Escaping.minimal, .go] {
        for layout in [JSON.Writer.Layout.compact, .indented(1)] {
            let written = JSON.Writer(escaping: escaping, layout: layout).bytes(of: value)
            for reader in [JSON.Reader(), reader] {
                let again = try? reader.read(written)
                precondition(again == value, "what was written is read as something else")
            }
        }
    }
}

/// JSON5 has numbers that can only be written as null.
private func isFinite(_ value: JSON) -> Bool {
    switch value {
    case .number(let number): !["Infinity", "-Infinity", "NaN"].contains(number.description)
    case .array(let elements): elements.allSatisfy(isFinite)
    case .object(let object): object.allSatisfy { isFinite($0.value) }
    case .null, .bool, .string: true
    }
}
