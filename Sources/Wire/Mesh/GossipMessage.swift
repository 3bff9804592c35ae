/// A message to everybody: who sent it, which start of that node, and the how manieth it is.
package struct GossipID: Hashable, Sendable, Comparable {
    package let origin: NodeID
    package let epoch: UInt64
    package let sequence: UInt64

    package init(origin: NodeID, epoch: UInt64, sequence: UInt64) {
        (self.origin, self.epoch, self.sequence) = (origin, epoch, sequence)
    }

    package static func < (a: GossipID, b: GossipID) -> Bool {
        (a.origin, a.epoch, a.sequence) < (b.origin, b.epoch, b.sequence)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(origin.digest &+ epoch)
        hasher.combine(sequence)
    }
}

/// What nodes say to spread messages.
package enum GossipMessage: Equatable, Sendable {
    /// The message itself, after so many hops.
    case payload(GossipID, hops: UInt8, [UInt8])
    /// The same in answer to a digest. It says nothing about the tree: what was under way when the digest was made
    /// comes twice, and that is nobody's fault.
    case repair(GossipID, hops: UInt8, [UInt8])
    /// These are here for whoever misses them.
    case have([Announcement])
    /// Send this one, and those of its origin from now on.
    case graft(GossipID)
    /// No more of this origin; only say what there is.
    case prune(NodeID)
    /// What the sender has seen of each origin lately: send it the rest.
    case digest([Digest])
    /// What the other side misses of an origin and nobody here has any more: up to this number.
    case gone(origin: NodeID, epoch: UInt64, upTo: UInt64)

    static func copy(of id: GossipID, hops: UInt8, _ payload: [UInt8], isRepair: Bool) -> GossipMessage {
        isRepair ? .repair(id, hops: hops, payload) : .payload(id, hops: hops, payload)
    }

    package struct Announcement: Equatable, Sendable {
        package let id: GossipID
        package let hops: UInt8
        /// It comes to nobody unasked.
        package let isLarge: Bool

        package init(id: GossipID, hops: UInt8, isLarge: Bool) {
            (self.id, self.hops, self.isLarge) = (id, hops, isLarge)
        }
    }

    package struct Digest: Equatable, Sendable {
        package let origin: NodeID
        package let epoch: UInt64
        package let highest: UInt64
        /// Those below it that are missing.
        package let gaps: [UInt64]

        package init(origin: NodeID, epoch: UInt64, highest: UInt64, gaps: [UInt64]) {
            (self.origin, self.epoch, self.highest, self.gaps) = (origin, epoch, highest, gaps)
        }
    }
}
