import OmniwayWire

/// Any bytes as responses, whole and cut at a place that they choose themselves, give the same heads and bodies, the
/// same end or the same refusal, and no trap.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTPResponse(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let cut = bytes.isEmpty ? 0 : Int(bytes[0]) * 257 % (bytes.count + 1)
    for method in [HTTPMethod.get, .head, .connect] {
        let whole = read([bytes], method)
        #if PLANTED_BUG
            if whole.heads.contains(where: { $0.status.code == 418 }), whole.ends == 1 { fatalError("planted") }
        #endif
        let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
        precondition(read(pieces, method) == whole, "a cut changed what was read")
        for head in whole.heads {
            guard let written = try? head.bytes() else { preconditionFailure("a head cannot be written again") }
            precondition(read([written], method).heads == [head], "a head that was written is read as another")
        }
    }
    return 0
}

private struct Reading: Equatable {
    var heads: [HTTPResponseHead] = []
    var body: [UInt8] = []
    var ends = 0
    var error: HTTPMessageError?
}

private func read(_ pieces: [[UInt8]], _ method: HTTPMethod) -> Reading {
    var decoder = HTTPResponseDecoder()
    decoder.expect(answerTo: method)
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
                    case .end:
                        reading.ends += 1
                        decoder.expect(answerTo: method)
                    }
                }
            } catch { reading.error = error }
        }
        unread.removeFirst(offset)
    }
    do throws(HTTPMessageError) {
        if reading.error == nil, try decoder.finish() == .end { reading.ends += 1 }
    } catch { reading.error = error }
    return reading
}
