import OmniwayWire

/// Whatever the challenge and the keys are: a right answer is right with each of the keys, and no other is. Any bytes
/// may be an answer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGatewayLogin(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 16 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let challenge = Array(bytes[..<8])
    let server = EndpointID(rawValue: bytes[8..<12].reduce(0) { $0 << 8 | UInt32($1) })
    let (place, flip) = (Int(bytes[12]), bytes[13])
    let cut = 14 + Int(bytes[14]) % (count - 14)
    let keys = [Array(bytes[14..<cut]), Array(bytes[cut...])]
    #if PLANTED_BUG
        if server == 0x6f6d_6e69 { fatalError("planted") }
    #endif
    precondition(
        GatewayLogin.check(Array(bytes.suffix(GatewayLogin.answerSize)), to: challenge, keys: keys) == nil,
        "a digest was guessed")
    for key in keys {
        let answer = GatewayLogin.answer(to: challenge, key: key, as: server)
        precondition(answer.count == GatewayLogin.answerSize, "an answer of another size")
        precondition(GatewayLogin.check(answer, to: challenge, keys: keys) == server, "a right answer is refused")
        precondition(GatewayLogin.check(answer, to: challenge, keys: []) == nil, "right without a key")
        precondition(GatewayLogin.check(Array(answer.dropLast()), to: challenge, keys: keys) == nil, "too short")
        precondition(GatewayLogin.check(answer + [0], to: challenge, keys: keys) == nil, "too long")
        guard flip != 0 else { continue }
        var changed = answer
        changed[place % changed.count] ^= flip
        let found = GatewayLogin.check(changed, to: challenge, keys: keys)
        precondition(
            place % changed.count < 16 ? found == nil : found != nil && found != server, "a changed answer is right")
    }
    return 0
}
