import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, give the same operations and the same refusal, and
/// no trap. What stands in them, headers and the server's greeting, is read or refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzNATS(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let whole = read(bytes)
    #if PLANTED_BUG
        if whole.operations.contains("h2") { fatalError("planted") }
    #endif
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) * 257 % (bytes.count + 1)
    let first = read(Array(bytes[..<cut]))
    guard first.error == nil else {
        precondition(first == whole, "more bytes changed what was refused")
        return 0
    }
    let second = read(Array(bytes[first.consumed...]))
    precondition(first.operations + second.operations == whole.operations, "a cut changed the operations")
    precondition(second.error == whole.error, "a cut changed the refusal")
    precondition(first.consumed + second.consumed == whole.consumed, "a cut changed what was read")
    return 0
}

private struct Reading: Equatable {
    var operations: [String] = []
    var consumed = 0
    var error: NATSError?
}

private func read(_ bytes: [UInt8]) -> Reading {
    var reading = Reading()
    let codec = NATSCodec(maxPayload: 4096)
    unsafe bytes.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw)
        do throws(NATSError) {
            while let operation = try codec.next(in: span, at: &reading.consumed) {
                reading.operations.append(describe(operation, in: bytes))
            }
        } catch { reading.error = error }
    }
    return reading
}

private func describe(_ operation: NATSOperation, in bytes: [UInt8]) -> String {
    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
    switch operation {
    case .info(let json):
        let read = unsafe bytes[json].withUnsafeBytes { try? NATSServerInfo(json: unsafe RawSpan(_unsafeBytes: $0)) }
        return "info \(read?.maxPayload ?? 0)"
    case .connect(let json): return "connect \(text(json))"
    case .message(let message), .publish(let message):
        if message.headers.isEmpty { return "m \(text(message.subject)) \(text(message.payload))" }
        let (fields, status) = unsafe bytes[message.headers].withUnsafeBytes {
            let block = unsafe RawSpan(_unsafeBytes: $0)
            return (NATSHeaderBlock.fields(of: block), NATSHeaderBlock.status(of: block))
        }
        return status == 503 ? "h\(fields.count)" : "m \(fields.map(\.name)) \(text(message.payload))"
    case .subscribe(let subject, let group, let sid): return "s \(text(subject)) \(text(group)) \(sid)"
    case .unsubscribe(let sid, let after): return "u \(sid) \(after ?? -1)"
    case .ping, .pong, .ok: return "\(operation)"
    case .error(let words): return "e \(text(words))"
    }
}
