/// A message or a request of this node that is under way. It is sent again until it is answered, under the same
/// number, so it is done once.
struct Outgoing: Sendable {
    enum Content: Sendable { case message([UInt8]), request(method: String, [UInt8]) }

    let target: Overlay.Target
    let content: Content
    let endsAt: Duration
    /// To whom it goes, when that is known. It stays the same for a message that was sent.
    var node: NodeID?
    /// For which start of that node; 0 as long as that is not known, and then nobody has done it.
    var epoch: UInt64 = 0
    var attempt = 0
    var nextAt: Duration
    /// The other side has it, and the answer comes later.
    var isAcknowledged = false
}
