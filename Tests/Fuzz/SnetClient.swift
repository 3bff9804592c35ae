import OmniwayWire

/// Any bytes of a server, whole and cut at a place that they choose themselves, are the same step, and no trap. The
/// first byte chooses the dialect, and whether a stream is opened or resumed.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSnetClient(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    guard let first = bytes.first else { return 0 }
    let input = Array(bytes.dropFirst())
    let cut = input.isEmpty ? 0 : Int(input[0]) % (input.count + 1)
    let whole = outcome(first, [input])
    precondition(outcome(first, [Array(input[..<cut]), Array(input[cut...])]) == whole, "a cut changed it")
    return 0
}

private func outcome(_ choice: UInt8, _ pieces: [[UInt8]]) -> String {
    let dialect = choice & 1 == 0 ? SnetDialect.a : .b
    let isFar = choice & 2 != 0
    var stream = SnetStream(
        id: 1, key: 5, written: isFar ? .max : 100, read: isFar ? .max - 7 : 50, ring: Int(choice >> 3))
    var machine =
        choice & 4 == 0 ? SnetClientHandshake(dialect, privateKey: 3) : SnetClientHandshake(dialect, resuming: stream)
    for piece in pieces {
        do {
            let step = try unsafe piece.withUnsafeBytes { raw in
                var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
                return try machine.receive(&reader)
            }
            switch step {
            case .more: continue
            case .opened: return "\(step)"
            case .resumed(let written, let read, _):
                #if PLANTED_BUG
                    if read == 77 { fatalError("planted") }
                #endif
                let again = try stream.resume(peerWritten: written, peerRead: read, told: stream.read)
                precondition(again <= UInt64(choice >> 3), "more is sent again than the ring keeps")
                return "\(step) \(again)"
            }
        } catch { return "\(error)" }
    }
    return "more"
}
