import OmniwayWire

/// Any bytes as a chunked body, whole and cut at a place that they choose themselves, give the same body and the same
/// refusal, and no trap. The body that was read, in chunks again, is read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzChunkedBody(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let whole = read([bytes])
    #if PLANTED_BUG
        if whole.isWhole, whole.body.count == 12 { fatalError("planted") }
    #endif
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) * 257 % (bytes.count + 1)
    precondition(read([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "a cut changed what was read")
    guard whole.isWhole else { return 0 }
    let chunk = whole.body.isEmpty ? [] : HTTPChunk.begin(whole.body.count) + whole.body + HTTPChunk.end
    precondition(read([chunk + HTTPChunk.last]) == whole, "a body that was written is read as another")
    return 0
}

private struct Reading: Equatable {
    var body: [UInt8] = []
    var isWhole = false
    var error: HTTPMessageError?
}

private func read(_ pieces: [[UInt8]]) -> Reading {
    var decoder = HTTPRequestDecoder()
    var reading = Reading()
    var unread = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
    for piece in pieces where reading.error == nil && !reading.isWhole {
        unread += piece
        var offset = 0
        let bytes = unread
        unsafe bytes.withUnsafeBytes { raw in
            do throws(HTTPMessageError) {
                while !reading.isWhole, let part = try decoder.next(unsafe RawSpan(_unsafeBytes: raw), &offset) {
                    switch part {
                    case .head: break
                    case .body(let range): reading.body += bytes[range]
                    case .end: reading.isWhole = true
                    }
                }
            } catch { reading.error = error }
        }
        unread.removeFirst(offset)
    }
    return reading
}
