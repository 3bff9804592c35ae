/// What a greeting says beside its own: that its sender also speaks the second version, and who it is. Peers of the
/// original do not look at it, and do not answer with one; so both sides know without asking twice.
package struct MeshUpgrade: Equatable, Sendable {
    package var id: NodeID
    /// 16 random bytes, so that no two greetings are the same.
    package var nonce: [UInt8]

    package static let version = 2

    package init(id: NodeID, nonce: [UInt8]) { (self.id, self.nonce) = (id, nonce) }

    /// Nil when the message says nothing of the kind, or not properly: then its sender is of the original's version.
    package init?(in message: [UInt8]) {
        guard let object = try? JSON.Reader.go.read(message).object(),
            let version = try? object["v"]?.int(), version >= Self.version,
            let id = (try? object["id"]?.string()).flatMap({ NodeID($0) }),
            let nonce = (try? object["n"]?.string()).flatMap({ Base64.decode($0) }), nonce.count == 16
        else { return nil }
        self.init(id: id, nonce: nonce)
    }
}

extension PheromoneMessage {
    /// The message with an offer that peers of the original pass over.
    package func bytes(offering upgrade: MeshUpgrade) -> [UInt8] {
        var bytes = self.bytes
        bytes.removeLast()
        bytes += Array(
            #","v":\#(MeshUpgrade.version),"id":"\#(upgrade.id)","n":"\#(Base64.encode(upgrade.nonce))"}"#.utf8)
        return bytes
    }
}

/// Which of two links between the same two nodes stays: both ends say the same without asking.
package enum SimultaneousOpen {
    package enum Verdict: Equatable, Sendable {
        /// It stays.
        case keep
        /// Whoever has opened it closes it, when what waits in it is sent.
        case close
        /// It will be closed by the other end.
        case waitForClose
        /// A node that has connected to itself.
        case refuse
    }

    /// What becomes of a link when there are two: that of the node with the smaller id stays.
    package static func verdict(own: NodeID, peer: NodeID, openedByUs: Bool) -> Verdict {
        if own == peer { return .refuse }
        let opener = openedByUs ? own : peer
        if opener == min(own, peer) { return .keep }
        return openedByUs ? .close : .waitForClose
    }

    /// Who is the initiator of a connection that both have opened, before ids are known: whoever drew the larger
    /// number. Nil when both must draw again.
    package static func isInitiator(drawn: UInt64, peer: UInt64) -> Bool? { drawn == peer ? nil : drawn > peer }
}
