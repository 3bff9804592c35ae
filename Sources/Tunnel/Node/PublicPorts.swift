import OmniwayTelemetry
import OmniwayTransport

/// Ports of a node that rules have: open while their owners are here, or while the node is the one they name.
final class PublicPorts {
    private unowned let node: TunnelNode
    private var doors: [UInt16: (rule: String, door: LinkDoor)] = [:]
    /// Could not be opened; tried again when something changes.
    private(set) var failures: [UInt16: ListenError] = [:]

    init(at node: TunnelNode) { self.node = node }

    var open: [UInt16] { doors.keys.sorted() }

    func update() {
        guard !node.isDraining else { return }
        let wanted = wanted
        for port in doors.keys.sorted() where wanted[port]?.name != doors[port]?.rule {
            doors.removeValue(forKey: port)?.door.close()
        }
        for port in wanted.keys.sorted() where doors[port] == nil {
            if let rule = wanted[port] { open(port, rule) }
        }
    }

    private var wanted: [UInt16: TunnelRule] {
        var wanted: [UInt16: TunnelRule] = [:]
        for (owner, rules) in node.rules {
            for rule in rules.values {
                guard case .port(let name, let port) = rule.listenAddress, port > 0,
                    name.isEmpty ? node.sessions[owner] != nil : name == node.id,
                    node.settings.allowPorts.contains(where: { $0.contains(port) })
                else { continue }
                // The registry gives each port to one owner; of two rules of one owner the first stays.
                if let other = wanted[port], other.name < rule.name { continue }
                wanted[port] = rule
            }
        }
        return wanted
    }

    private func open(_ port: UInt16, _ rule: TunnelRule) {
        let (owner, address) = (rule.owner, rule.listenAddress.text)
        let acceptor = node.settings.listen(node.settings.publicHost.with(port: port))
        failures[port] = nil
        let door = LinkDoor(on: node.loop, home: node.home, acceptor) { [weak self] result in
            guard let self, case .failure(let error) = result else { return }
            Log.shared.warning("a port of a rule cannot be opened", ["port": "\(port)", "error": "\(error)"])
            failures[port] = error
            doors[port] = nil
        } accept: { [weak self] link in
            guard let node = self?.node, let rule = node.rules[owner]?[address],
                rule.limits.admits(link.traits.peer)
            else { return nil }
            return Visitor(of: rule, at: node)
        }
        doors[port] = (rule.name, door)
    }

    func closeAll() {
        for port in doors.keys.sorted() { doors.removeValue(forKey: port)?.door.close() }
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
