import OmniwayWire

/// Any bytes are the same messages whole and cut, and nothing traps. A message that is written again is read as itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzInvokeFrame(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let codec = InvokeCodec(maxFrameSize: 4096)
    var offset = 0
    unsafe bytes.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw)
        do throws(InvokeError) {
            while let range = try codec.frame(in: span, at: offset) {
                precondition(range.lowerBound == offset + 8 && range.upperBound <= bytes.count, "a frame elsewhere")
                let cut = span.extracting(first: range.upperBound - 1)
                precondition((try? codec.frame(in: cut, at: offset)) == .some(nil), "a cut frame is whole")
                offset = range.upperBound
                let message = try codec.message(span.extracting(range))
                #if PLANTED_BUG
                    if case .request(let request) = message, request.path == "/y" { fatalError("planted") }
                #endif
                check(message, codec)
            }
            _ = try CarrierHello.read(span, codec)
        } catch { precondition(!error.description.isEmpty) }
    }
    return 0
}

private func check(_ message: InvokeMessage, _ codec: InvokeCodec) {
    var written: [UInt8] = []
    guard (try? codec.write(message, to: &written)) != nil else { return }  // Escapes can make it longer than a frame.
    unsafe written.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw)
        let range = (try? codec.frame(in: span)) ?? nil
        precondition(range?.upperBound == written.count, "what was written is no frame")
        let again = range.flatMap { try? codec.message(span.extracting($0)) }
        precondition(again == message, "a message is read otherwise than it was written")
    }
}
