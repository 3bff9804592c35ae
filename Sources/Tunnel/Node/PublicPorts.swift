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
    /// Could not be opened; tried again when something changes.
    private var failures: [Place: ListenError] = [:]

    private var isStale = false

    init(at node: TunnelNode) { self.node = node }

    var open: [UInt16] { doors.keys.sorted().map(\.port) }

    /// How the port of a rule is here, in words; nil for a rule without one.
    func state(of address: TunnelAddress) -> String? {
        guard case .port(let kind, _, let port) = address else { return nil }
        let place = Place(port: port, isDatagrams: kind.keepsMessages)
        if doors[place] != nil { return "open" }
        return failures[place]?.description ?? "the port is closed; is the client with another node?"
    }

    /// Soon: of many changes at once only the last is looked at.
    func update() {
        guard !isStale else { return }
        isStale = true
        node.changePortsSoon()
    }

    func change() {
        isStale = false
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
            for rule in rules.all {
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
        let (owner, address, settings) = (rule.owner, rule.listenAddress, node.settings)
        let at = settings.publicHost.with(port: place.port)
        let acceptor = place.isDatagrams ? settings.listenDatagrams(at) : settings.listen(at)
        failures[place] = nil
        let door = LinkDoor(on: node.loop, home: node.home, acceptor) { [weak self] result in
            guard let self, case .failure(let error) = result else { return }
            Log.shared.warning("a port of a rule cannot be opened", ["port": "\(place.port)", "error": "\(error)"])
            failures[place] = error
            doors[place] = nil
        } accept: { [weak self] link in
            guard let node = self?.node, let rule = node.rules[owner]?[address],
                rule.limits.admits(link.traits.peer)
            else { return nil }
            return RuleVisitor(of: rule, at: node)
        }
        doors[place] = (rule.name, door)
    }

    func closeAll() {
        for place in doors.keys.sorted() { doors.removeValue(forKey: place)?.door.close() }
    }
}

extension TunnelNode {
    /// Where datagrams of a visitor of SOCKS5 may come: a few of the ports that clients may have, one of which is free.
    var socksPorts: SocksDoor.Ports {
        var choices: [(address: SocketAddress, acceptor: any Acceptor)] = []
        for _ in 0..<8 where !settings.allowPorts.isEmpty {
            let range = settings.allowPorts[Int.random(in: 0..<settings.allowPorts.count, using: &loop.random)]
            let at = settings.publicHost.with(port: UInt16.random(in: range, using: &loop.random))
            choices.append((at, settings.listenDatagrams(at)))
        }
        return SocksDoor.Ports(home: home, choices: choices)
    }

    /// Ports that are open for rules.
    public var openPorts: [UInt16] { ports.open }
}
