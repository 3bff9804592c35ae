public import OmniwayWire

/// What a node has and knows at one moment. All lists are in the order of ids.
public struct NodeReport: Sendable {
    /// A link that is open.
    public struct Link: Sendable {
        public let contact: MeshContact
        /// One of the few that are kept. Others end when nothing is said over them.
        public let isNeighbor: Bool
        /// This node has opened it.
        public let isOurs: Bool
        /// Bytes that wait to be sent.
        public let queued: Int
    }

    /// Whose messages to everybody were heard.
    public struct Origin: Sendable {
        public let contact: MeshContact
        /// The number of its last message.
        public let last: UInt64
        /// How many before it have not come.
        public let missing: Int
        public let silence: Duration
    }

    /// Somebody of whom the node has heard.
    public struct Route: Sendable {
        public let contact: MeshContact
        /// The neighbour behind which it is, where its messages have come that way.
        public let via: NodeID?
    }

    public let links: [Link]
    /// Everybody it knows to be there.
    public let members: [MeshContact]
    public let origins: [Origin]
    public let routes: [Route]
}

extension NodeHost {
    var report: NodeReport {
        func contact(_ node: NodeID) -> MeshContact { overlay.contact(of: node) ?? MeshContact(node) }
        return NodeReport(
            links: openLinks.map { node, link in
                NodeReport.Link(
                    contact: contact(node), isNeighbor: overlay.isNeighbor(node), isOurs: link.isOurs,
                    queued: link.queued)
            },
            members: members.map { $0 == id ? self.contact : contact($0) },
            origins: overlay.gossip.heard(at: now).map {
                NodeReport.Origin(contact: contact($0.origin), last: $0.last, missing: $0.missing, silence: $0.silence)
            },
            routes: overlay.knownRoutes(at: now).map { NodeReport.Route(contact: $0.contact, via: $0.via) })
    }
}
