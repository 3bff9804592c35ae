import OmniwayCrypto
import OmniwayWire

/// Any bytes are a handshake, an answer or an error, and no trap. What was read is read again from what is written of
/// it, compressed or not.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPomeloHandshake(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let limits = JSON.Reader.Limits(bytes: 4096, depth: 16, values: 256)
    if let handshake = read(bytes, { span throws(PomeloError) in try PomeloHandshake(span, limits: limits) }) {
        #if PLANTED_BUG
            if handshake.platform == "mac", handshake.user.isEmpty { fatalError("planted") }
        #endif
        let wider = JSON.Reader.Limits(bytes: 1 << 20, depth: 17, values: 512)
        let again = read(handshake.json) { span throws(PomeloError) in try PomeloHandshake(span, limits: wider) }
        precondition(again == handshake, "another handshake was written")
    }
    let pool = DeflatePool()
    let answer = read(bytes) { span throws(PomeloError) in
        try PomeloHandshakeAnswer(span, limits: limits, by: pool)
    }
    if let answer {
        precondition(answer.heartbeat >= .zero && answer.heartbeat <= PomeloHandshakeAnswer.longestHeartbeat)
        let wider = JSON.Reader.Limits(bytes: 1 << 20, depth: 16, values: 512)
        for pool in [nil, pool] {
            let again = read(answer.body(compressedBy: pool)) { span throws(PomeloError) in
                try PomeloHandshakeAnswer(span, limits: wider, by: pool ?? DeflatePool())
            }
            precondition(again?.code == answer.code && again?.dictionary == answer.dictionary, "another answer")
            precondition(again?.serializer == answer.serializer, "another serializer")
        }
    }
    if let failure = read(bytes, { span throws(PomeloError) in try PomeloFailure(json: span, limits: limits) }) {
        let wider = JSON.Reader.Limits(bytes: 1 << 20, depth: 16, values: 512)
        let again = read(failure.json) { span throws(PomeloError) in try PomeloFailure(json: span, limits: wider) }
        precondition(again == failure, "another error was written")
    }
    return 0
}

private func read<Value>(_ bytes: [UInt8], _ body: (RawSpan) throws(PomeloError) -> Value) -> Value? {
    unsafe bytes.withUnsafeBytes { raw in
        do throws(PomeloError) {
            return try body(unsafe RawSpan(_unsafeBytes: raw))
        } catch {
            precondition(!error.description.isEmpty)
            return nil
        }
    }
}
