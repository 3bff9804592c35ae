import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, give the same messages, and no trap.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLengthPrefix(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let whole = messages(in: bytes)
    #if PLANTED_BUG
        if whole.messages.count > 2, whole.messages[0].count == 3, whole.messages[1].isEmpty { fatalError("planted") }
    #endif
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
    let first = messages(in: Array(bytes[..<cut]))
    let second = messages(in: Array(bytes[first.consumed...]))
    precondition(first.messages + second.messages == whole.messages, "a cut changed the messages")
    precondition(first.consumed + second.consumed == whole.consumed, "a cut changed what was read")
    return 0
}

private func messages(in bytes: [UInt8]) -> (messages: [[UInt8]], consumed: Int) {
    unsafe bytes.withUnsafeBytes { raw in
        var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
        var messages: [[UInt8]] = []
        while let range = LengthPrefix().decode(from: &reader) { messages.append(Array(bytes[range])) }
        return (messages, reader.offset)
    }
}
