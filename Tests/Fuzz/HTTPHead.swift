import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, give the same requests and the same refusal, and
/// no trap. A head that was read can be written, and is then read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTPHead(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let whole = read([bytes])
    #if PLANTED_BUG
        if whole.heads.contains(where: { $0.method == .put && $0.target.utf8.count == 2 }) { fatalError("planted") }
    #endif
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) * 257 % (bytes.count + 1)
    precondition(read([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "a cut changed what was read")
    for head in whole.heads {
        guard let written = try? head.bytes() else { preconditionFailure("a head that was read cannot be written") }
        precondition(read([written]).heads == [head], "a head that was written is read as another")
        _ = (head.path, head.query, head.keepsAlive, head.queryValue("a"))
    }
    return 0
}

private struct Reading: Equatable {
    var heads: [HTTPRequestHead] = []
    var body: [UInt8] = []
    var ends = 0
    var error: HTTPMessageError?
}

private func read(_ pieces: [[UInt8]]) -> Reading {
    var decoder = HTTPRequestDecoder()
    var reading = Reading()
    var unread: [UInt8] = []
    for piece in pieces where reading.error == nil {
        unread += piece
        var offset = 0
        let bytes = unread
        unsafe bytes.withUnsafeBytes { raw in
            do throws(HTTPMessageError) {
                while let part = try decoder.next(unsafe RawSpan(_unsafeBytes: raw), &offset) {
                    switch part {
                    case .head: reading.heads.append(decoder.head)
                    case .body(let range): reading.body += bytes[range]
                    case .end: reading.ends += 1
                    }
                }
            } catch { reading.error = error }
        }
        unread.removeFirst(offset)
    }
    return reading
}
