/// The rules of one owner, who has few: a table of them would be mostly empty room.
struct OwnedRules {
    private(set) var all: [TunnelRule] = []

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    subscript(address: TunnelAddress) -> TunnelRule? { all.first { $0.listenAddress == address } }
    /// The address as texts have it.
    subscript(text: String) -> TunnelRule? { TunnelAddress(text).flatMap { self[$0] } }

    mutating func put(_ rule: TunnelRule) {
        if let index = all.firstIndex(where: { $0.listenAddress == rule.listenAddress }) {
            all[index] = rule
        } else {
            all.append(rule)
        }
    }

    mutating func remove(_ address: TunnelAddress) { all.removeAll { $0.listenAddress == address } }
}
