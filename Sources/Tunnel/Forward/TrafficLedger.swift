public import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What the rules of each client have moved in a month, as the registry knows it. Each node adds what it has seen, once
/// in a while, and learns then what the others have.
final class TrafficLedger: TimerTarget {
    private weak var node: TunnelNode?
    /// Not added yet, by owner and address.
    private var pending: [String: [String: TunnelTraffic]] = [:]
    private var known: [String: (month: String, sums: [String: TunnelTraffic])] = [:]
    private var busy: Set<String> = []
    private static let attempts = 8
    /// Addresses that are told apart in one month; what more there is counts for the client.
    private static let most = 512

    init(at node: TunnelNode) {
        self.node = node
        node.loop.after(node.settings.ledgerInterval, self)
    }

    /// Whether a rule, and its owner, have moved less than they may.
    func admits(_ rule: TunnelRule) -> Bool {
        guard let node else { return false }
        let quotas = (rule.limits.monthlyBytes, node.settings.monthlyBytes)
        guard quotas.0 != nil || quotas.1 != nil else { return true }
        let month = node.settings.month()
        if known[rule.owner]?.month != month { add(rule.owner, to: month) }
        let ofRule = total(rule.owner, month) { $0 == rule.listenAddress.text }
        return ofRule < quotas.0 ?? .max && total(rule.owner, month) { _ in true } < quotas.1 ?? .max
    }

    func note(_ traffic: TunnelTraffic, of rule: TunnelRule) {
        pending[rule.owner, default: [:]][rule.listenAddress.text, default: TunnelTraffic()].add(traffic)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let node else { return }
        flush()
        loop.after(node.settings.ledgerInterval, self)
    }

    /// Adds all that is known here.
    func flush() {
        guard let node else { return }
        node.transfers.noteTraffic()
        known = known.filter { node.rules[$0.key] != nil }
        for owner in pending.keys.sorted() { add(owner, to: node.settings.month()) }
    }

    private func total(_ owner: String, _ month: String, _ isCounted: (String) -> Bool) -> Int {
        let sums = known[owner].map { $0.month == month ? $0.sums : [:] } ?? [:]
        let bytes = [sums, pending[owner] ?? [:]].joined().filter { isCounted($0.key) }
            .reduce(UInt64(0)) { $0 &+ $1.value.fromVisitors &+ $1.value.toVisitors }
        return Int(clamping: bytes)
    }

    /// Reads what there is of an owner and adds what is pending.
    private func add(_ owner: String, to month: String, attempt: Int = 1) {
        if attempt == 1 { guard busy.insert(owner).inserted else { return } }
        guard let registry = node?.registry else { return }
        let key = TunnelKey.traffic(owner, month)
        let added = pending[owner] ?? [:]
        registry.get(key) { [weak self] result in
            guard let self else { return }
            guard case .success(let entry) = result else { return ended(owner, key, failed: true) }
            var sums = entry.flatMap { try? Self.sums($0.value.text) } ?? [:]
            for (address, traffic) in added {
                let name = sums[address] != nil || sums.count < Self.most ? address : ""
                sums[name, default: TunnelTraffic()].add(traffic)
            }
            if added.isEmpty {
                known[owner] = (month, sums)
                return ended(owner, key, failed: false)
            }
            let still = entry.map { RegistryCondition.unchanged($0) } ?? .absent(key)
            let put = RegistryOperation.put(key, RegistryBytes(Self.json(sums).text))
            registry.transact(RegistryTransaction(if: [still], then: [put])) { [weak self] result in
                guard let self else { return }
                switch result {
                case .success(let outcome) where outcome.succeeded:
                    for (address, traffic) in added { pending[owner]?[address]?.subtract(traffic) }
                    pending[owner] = pending[owner]?.filter { $0.value != TunnelTraffic() }
                    if pending[owner]?.isEmpty ?? false { pending[owner] = nil }
                    known[owner] = (month, sums)
                    ended(owner, key, failed: false)
                case .success where attempt < Self.attempts: add(owner, to: month, attempt: attempt + 1)
                case .success, .failure: ended(owner, key, failed: true)
                }
            }
        }
    }

    /// What could not be added is added the next time.
    private func ended(_ owner: String, _ key: RegistryBytes, failed: Bool) {
        busy.remove(owner)
        if failed { return Log.shared.warning("traffic is not written down yet", ["key": key.text]) }
        for rule in node?.rules[owner]?.all ?? [] where !admits(rule) { node?.transfers.breakOff(rule.name) }
    }

    // MARK: Values

    private static func json(_ sums: [String: TunnelTraffic]) -> JSON {
        var rules = JSON.Object()
        for address in sums.keys.sorted() { rules[address] = sums[address]?.json }
        return ["Rules": .object(rules)]
    }

    static func sums(_ text: String) throws(TunnelRefusal) -> [String: TunnelTraffic] {
        guard case .object(let rules)? = try MemberReader(text).member("Rules") else { return [:] }
        var sums: [String: TunnelTraffic] = [:]
        for (address, value) in rules { sums[address] = try TunnelTraffic(value) }
        return sums
    }
}

extension TunnelTraffic {
    mutating func add(_ other: TunnelTraffic) {
        connections &+= other.connections
        fromVisitors &+= other.fromVisitors
        toVisitors &+= other.toVisitors
    }

    mutating func subtract(_ other: TunnelTraffic) {
        connections &-= other.connections
        fromVisitors &-= other.fromVisitors
        toVisitors &-= other.toVisitors
    }

    fileprivate var json: JSON {
        ["Connections": JSON(connections), "FromVisitors": JSON(fromVisitors), "ToVisitors": JSON(toVisitors)]
    }

    fileprivate init(_ json: JSON) throws(TunnelRefusal) {
        let reader = try MemberReader(json)
        connections = UInt64(try reader.number("Connections", in: 0...(.max), or: 0))
        fromVisitors = UInt64(try reader.number("FromVisitors", in: 0...(.max), or: 0))
        toVisitors = UInt64(try reader.number("ToVisitors", in: 0...(.max), or: 0))
    }
}

extension TunnelNode {
    /// What the rules of a client have moved in a month such as `202611`, at all nodes, by the addresses of the rules.
    /// What the last minute has brought is not in it.
    public func traffic(
        of client: String, in month: String, _ done: @escaping (Result<[String: TunnelTraffic], RegistryError>) -> Void
    ) {
        guard client.isTunnelID, month.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return done(.success([:]))
        }
        registry.get(TunnelKey.traffic(client, month)) { result in
            done(result.map { entry in entry.flatMap { try? TrafficLedger.sums($0.value.text) } ?? [:] })
        }
    }
}
