import OmniwayWire

/// Every frame of the mesh: what is read is written as it was, and a node that gets it stays within its bounds. The
/// first byte is the kind; after each frame's length come its bytes, and all go to one node from one neighbour.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMeshFrames(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    var random = SeededRandom(seed: 1)
    var settings = Overlay.Settings()
    settings.signs = false
    settings.listsMembers = true
    settings.mostRoutes = 64
    settings.gossip.missing = 64
    let own = node(0)
    var overlay = Overlay(MeshContact(own, name: "own", epoch: 1), identity: nil, settings, at: .zero, random: &random)
    let neighbor = node(1)
    var actions = overlay.handle(.linked(neighbor), at: .zero, random: &random)
    actions += overlay.handle(.found(neighbor), at: .zero, random: &random)
    var (offset, now) = (0, Duration.zero)
    while offset + 2 < bytes.count {
        let length = min(Int(bytes[offset + 1]), bytes.count - offset - 2)
        let frame = MeshFrame(kind: bytes[offset], body: Array(bytes[offset + 2..<offset + 2 + length]))
        offset += 2 + length
        now += .milliseconds(50)
        if let read = try? MeshCodec.read(frame) {
            let again = MeshCodec.frame(read.message) { id in read.contacts.last { $0.id == id }?.address ?? "" }
            if let second = try? MeshCodec.read(again) {
                precondition(second.message == read.message, "it reads as something else")
            } else {
                preconditionFailure("what was written cannot be read")
            }
            for contact in read.contacts { overlay.learn(contact, at: now) }
            actions += overlay.handle(.received(read.message, from: neighbor), at: now, random: &random)
            #if PLANTED_BUG
                if case .packet(let packet) = read.message, packet.hops == 9 { fatalError("planted") }
            #endif
        }
        if overlay.deadline <= now { actions += overlay.handle(.tick, at: now, random: &random) }
        precondition(overlay.membership.active.count <= 6, "too many neighbours")
        precondition(overlay.membership.passive.count <= 30, "too many acquaintances")
        for action in actions {
            if case .ask(let request) = action { _ = overlay.answered(request.number, .bytes([1]), at: now) }
            if case .send(let message, _) = action { _ = MeshCodec.frame(message) }
        }
        actions = []
    }
    return 0
}

private func node(_ number: UInt8) -> NodeID {
    guard let id = NodeID([UInt8](repeating: number, count: 32)) else { preconditionFailure("32 bytes are an id") }
    return id
}
