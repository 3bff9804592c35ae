/// What nodes say to each other on a link, once they have proved who they are.
package enum MeshMessage: Equatable, Sendable {
    /// The first one, from each side.
    indirect case hello(MeshContact)
    case ping(UInt64)
    case pong(UInt64)
    /// The sender closes, and why.
    case close(MeshClosing, String)
    case member(Membership.Message)
    case gossip(GossipMessage)
    case detector(FailureDetector.Message)
    indirect case packet(MeshPacket)
}

/// Why a node closes a link.
package enum MeshClosing: UInt8, Equatable, Sendable { case done, duplicate, slowConsumer, tooMuch, barred, idle }

/// How to reach a node: what it calls itself, where it listens, and which start of it this is.
public struct MeshContact: Hashable, Sendable {
    public let id: NodeID
    /// What it calls itself. Others may have the same name.
    public var name: String
    /// Where it listens; empty for nowhere.
    public var address: String
    /// When it was started, in milliseconds. A node that comes back has another one.
    public var epoch: UInt64

    package init(_ id: NodeID, name: String = "", address: String = "", epoch: UInt64 = 0) {
        (self.id, self.name, self.address, self.epoch) = (id, name, address, epoch)
    }

    /// Most bytes of a name, and of an address.
    package static let longest = 255
}

/// A message to one node, passed on by others where there is no link to it.
package struct MeshPacket: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case message([UInt8])
        case request(method: String, [UInt8], deadline: Duration)
        /// Nobody waits for the answer to that request any more.
        case cancelled(UInt64)
        /// To a message or a request of the receiver.
        case answer(to: UInt64, MeshStatus, [UInt8])
        /// It was received. The answer comes later.
        case acknowledged(UInt64)
        /// The message is for another start of the node, which is gone: this is the one that runs.
        case restarted(UInt64, epoch: UInt64)
        /// Whoever says it does not know the way to the node that it was for.
        case noRoute(UInt64, to: NodeID)
        /// The answer to who looks for a node.
        case here(MeshContact)
    }

    package var source: NodeID
    /// Which start of the source, and the how manieth of it: the same when it is sent again.
    package var epoch: UInt64
    package var sequence: UInt64
    package var destination: NodeID
    /// Which start of the destination it is for; 0 when the sender does not know.
    package var destinationEpoch: UInt64
    /// How many more nodes may pass it on.
    package var hops: UInt8
    package var kind: Kind
    /// Of the source, where others pass it on and the group is not closed. A link proves by itself who speaks.
    package var signature: [UInt8] = []
}

/// How a request ended.
public enum MeshStatus: UInt8, Equatable, Sendable, CaseIterable {
    case ok, failed, unknownMethod, overloaded
    /// It was received once, and what came of it is not known any more.
    case forgotten
}
