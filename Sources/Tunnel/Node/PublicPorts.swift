import OmniwayTelemetry
import OmniwayTransport

/// Ports of a node that rules have: open while their owners are here, or while the node is the one they name.
final class PublicPorts {
    private unowned let node: TunnelNode
    /// TCP and UDP have ports of their own.
    private struct Place: Hashable, Comparable {
        let port: UInt16
        let isDatagrams: Bool

        static func < (a: Place, b: Place) -> Bool {
            (a.port, a.isDatagrams ? 1 : 0) < (b.port, b.isDatagrams ? 1 : 0)
        }
    }
    private var doors: [Place: (rule: String, door: LinkDoor)] = [:]

    init(at node: TunnelNode) { self.node = node }

    var open: [UInt16] { doors.keys.sorted().map(\.port) }

    func update() {
        guard !node.isDraining else { return }
        let wanted = wanted
        for place in doors.keys.sorted() where wanted[place]?.name != doors[place]?.rule {
            doors.removeValue(forKey: place)?.door.close()
        }
        for place in wanted.keys.sorted() where doors[place] == nil {
            if let rule = wanted[place] { open(place, rule) }
        }
    }

    private var wanted: [Place: TunnelRule] {
        var wanted: [Place: TunnelRule] = [:]
        for (owner, rules) in node.rules {
            for rule in rules.values {
                guard case .port(let kind, let name, let port) = rule.listenAddress, port > 0,
                    name.isEmpty ? node.sessions[owner] != nil : name == node.id,
                    node.settings.allowPorts.contains(where: { $0.contains(port) })
                else { continue }
                // The registry gives each port to one owner; of two rules of one owner the first stays.
                let place = Place(port: port, isDatagrams: kind.keepsMessages)
                if let other = wanted[place], other.name < rule.name { continue }
                wanted[place] = rule
            }
        }
        return wanted
    }

    private func open(_ place: Place, _ rule: TunnelRule) {
        let (owner, address, settings) = (rule.owner, rule.listenAddress.text, node.settings)
        let at = settings.publicHost.with(port: place.port)
        let acceptor = place.isDatagrams ? settings.listenDatagrams(at) : settings.listen(at)
        let door = LinkDoor(on: node.loop, home: node.home, acceptor) { [weak self] result in
            guard let self, case .failure(let error) = result else { return }
            Log.shared.warning("a port of a rule cannot be opened", ["port": "\(place.port)", "error": "\(error)"])
            doors[place] = nil  // Tried again when something changes.
        } accept: { [weak self] link in
            guard let node = self?.node, let rule = node.rules[owner]?[address],
                rule.limits.admits(link.traits.peer)
            else { return nil }
            return Visitor(of: rule, at: node)
        }
        doors[place] = (rule.name, door)
    }

    func closeAll() {
        for place in doors.keys.sorted() { doors.removeValue(forKey: place)?.door.close() }
    }

    /// A connection to a port, until it is open.
    private final class Visitor: LinkHandler {
        private let rule: TunnelRule
        private weak var node: TunnelNode?
        init(of rule: TunnelRule, at node: TunnelNode) { (self.rule, self.node) = (rule, node) }

        func opened(_ link: Link) {
            guard let node else { return link.close(.shutdown) }
            node.transfers.begin(rule, link)
        }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
    }
}

extension TunnelNode {
    /// Ports that are open for rules.
    public var openPorts: [UInt16] { ports.open }
}
