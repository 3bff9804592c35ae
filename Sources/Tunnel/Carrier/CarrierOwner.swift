public import OmniwayTransport

/// Who uses a carrier, on one loop: a node, or a client of one.
public protocol CarrierOwner: AnyObject, SendableMetatype {
    /// The command connection is open: the time to log in, or to expect that.
    func opened(_ peer: CarrierPeer)
    /// The command connection has ended. Streams go on for a while; see `CarrierSettings.keep`.
    func lost(_ peer: CarrierPeer, _ reason: CloseReason)
    /// The peer has opened a stream, or a flow of datagrams; nil refuses it.
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)?
    /// The same of a stream that has a connection of its own.
    func acceptBulk(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)?
}

extension CarrierOwner {
    public func lost(_ peer: CarrierPeer, _ reason: CloseReason) {}
    public func acceptBulk(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? {
        accept(stream, from: peer)
    }
}
