import OmniwayWire

/// A handshake that somebody else has a hand in: any bytes to either side, at any step, whole and cut, end it or leave
/// it waiting, and nothing traps. The first byte says how far the two honest sides come before.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMeshHandshake(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 2, count: count - 2))
    let (steps, cut) = unsafe (Int(data[0]) % 4, Int(data[1]) * 257 % (count - 1))
    guard let one = identity(1), let other = identity(2) else { return 0 }
    var initiator = SecureLink(terms(one, isInitiator: true), at: .zero)
    var responder = SecureLink(terms(other, isInitiator: false), at: .zero)
    var said = (try? initiator.begin()) ?? []
    for step in 0..<steps {
        let answer = step.isMultiple(of: 2) ? receive(&responder, said) : receive(&initiator, said)
        guard let answer else { preconditionFailure("two honest sides do not understand each other") }
        said = answer.answer
    }
    var whole = steps.isMultiple(of: 2) ? responder : initiator
    var halves = whole
    let all = receive(&whole, bytes)
    let first = receive(&halves, Array(bytes[..<min(cut, bytes.count)]))
    guard let first else { return 0 }
    let rest = Array(bytes[first.used...])
    let second = receive(&halves, rest)
    precondition((all == nil) == (second == nil), "a cut changed the verdict")
    #if PLANTED_BUG
        if all == nil, bytes.count > 40 { fatalError("planted") }
    #endif
    if let all, let second {
        precondition(all.frames == first.frames + second.frames, "a cut changed the frames")
        precondition(all.used == first.used + second.used, "a cut changed what was read")
    }
    return 0
}

private func identity(_ number: UInt8) -> NodeIdentity? { NodeIdentity(secret: [UInt8](repeating: number, count: 32)) }

private func terms(_ identity: NodeIdentity, isInitiator: Bool) -> SecureLink.Terms {
    let number: UInt8 = isInitiator ? 3 : 4
    return SecureLink.Terms(
        identity, isInitiator: isInitiator, staticKey: [UInt8](repeating: number, count: 32),
        ephemeralKey: [UInt8](repeating: number + 2, count: 32))
}

private func receive(_ link: inout SecureLink, _ bytes: [UInt8]) -> SecureLink.Received? {
    unsafe bytes.withUnsafeBytes { try? link.receive(unsafe RawSpan(_unsafeBytes: $0), at: .zero) }
}
