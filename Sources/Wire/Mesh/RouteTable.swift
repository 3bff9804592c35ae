/// Whom this node has heard of: how to reach them, by which neighbour their messages come, and what they call
/// themselves. Everything here is a hint; a link proves who is at its other end.
struct RouteTable: Sendable {
    private struct Entry: Sendable {
        var contact: MeshContact
        var via: NodeID?
        var usedAt: Duration
        var viaUntil = Duration.zero
        var unreachableUntil = Duration.zero
        /// The node itself has said where it is.
        var isProved = false

        mutating func come(_ epoch: UInt64, _ neighbor: NodeID, _ now: Duration, _ end: Duration) {
            contact.epoch = max(contact.epoch, epoch)
            (via, viaUntil, usedAt) = (neighbor, end, now)
        }
    }

    private let most: Int
    private let routeTime: Duration
    private var entries: [NodeID: Entry] = [:]
    private var names: [String: [NodeID]] = [:]

    private static let unreachableTime = Duration.seconds(60)

    init(most: Int, routeTime: Duration) { (self.most, self.routeTime) = (most, routeTime) }

    var count: Int { entries.count }
    func contact(of node: NodeID) -> MeshContact? { entries[node]?.contact }
    func epoch(of node: NodeID) -> UInt64 { entries[node]?.contact.epoch ?? 0 }

    /// The one of that name with the lowest id.
    func holder(of name: String) -> NodeID? { names[name]?.min() }

    /// The neighbour behind which a node is.
    func via(_ node: NodeID, at now: Duration) -> NodeID? {
        guard let entry = entries[node], entry.viaUntil > now else { return nil }
        return entry.via
    }

    /// Everybody who is known, by id, and the neighbour behind which they are.
    func all(at now: Duration) -> [(contact: MeshContact, via: NodeID?)] {
        entries.values.map { ($0.contact, $0.viaUntil > now ? $0.via : nil) }.sorted { $0.contact.id < $1.contact.id }
    }

    func isDialable(_ node: NodeID, at now: Duration) -> Bool {
        entries[node].map { !$0.contact.address.isEmpty && $0.unreachableUntil <= now } ?? false
    }

    /// What is empty is not known to who says it. Hearsay does not replace what the node itself has said, unless that
    /// has proved wrong.
    mutating func learn(_ contact: MeshContact, isProved: Bool, at now: Duration) {
        var entry = entry(contact.id, now)
        let mayReplace = isProved || !entry.isProved || entry.unreachableUntil > now
        if mayReplace, !contact.address.isEmpty, contact.address != entry.contact.address {
            entry.contact.address = contact.address
            entry.unreachableUntil = .zero
            entry.isProved = false
        }
        if isProved, !contact.address.isEmpty { entry.isProved = true }
        entry.contact.epoch = max(entry.contact.epoch, contact.epoch)
        if !contact.name.isEmpty, contact.name != entry.contact.name {
            unname(contact.id, entry.contact.name)
            entry.contact.name = contact.name
            names[contact.name, default: []].append(contact.id)
        }
        entries[contact.id] = entry
    }

    /// A message of it has come that way.
    mutating func learn(_ node: NodeID, epoch: UInt64, via neighbor: NodeID, at now: Duration) {
        if entries[node]?.come(epoch, neighbor, now, now + routeTime) != nil { return }
        var entry = entry(node, now)
        entry.come(epoch, neighbor, now, now + routeTime)
        entries[node] = entry
    }

    mutating func unreachable(_ node: NodeID, at now: Duration) {
        entries[node]?.unreachableUntil = now + Self.unreachableTime
    }

    mutating func forgetWay(to node: NodeID) { entries[node]?.via = nil }

    private mutating func entry(_ node: NodeID, _ now: Duration) -> Entry {
        if var entry = entries[node] {
            entry.usedAt = now
            return entry
        }
        if entries.count >= most {
            let oldest = entries.map { ($0.value.usedAt, $0.key) }.sorted { $0 < $1 }.prefix(max(1, most / 4))
            for (_, old) in oldest {
                if let entry = entries.removeValue(forKey: old) { unname(old, entry.contact.name) }
            }
        }
        return Entry(contact: MeshContact(node), usedAt: now)
    }

    private mutating func unname(_ node: NodeID, _ name: String) {
        names[name]?.removeAll { $0 == node }
        if names[name]?.isEmpty == true { names[name] = nil }
    }
}
