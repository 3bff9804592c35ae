import OmniwayCrypto
import OmniwayTransport

/// Rules of several clients for one name or port: visitors go to the one that has the fewest, not to those where
/// visitors have just failed, and to none whose target does not pass its health check.
final class RuleGroups {
    private unowned let node: TunnelNode
    /// Names of rules, by the marks of their groups.
    private var members: [String: [String: TunnelRule]] = [:]
    /// Until when they are left out.
    private var down: [String: Moment] = [:]
    private static let pause = Duration.seconds(10)
    private let probes: RuleProbes

    init(at node: TunnelNode) {
        self.node = node
        probes = RuleProbes(at: node)
    }

    /// What a group is known by for one address; nothing for nothing. Who does not know the word cannot make it.
    static func mark(_ word: String, _ address: TunnelAddress) -> String {
        word.isEmpty ? "" : Secret.hex(HMAC.sha256(Array(address.text.utf8), key: Array(word.utf8)))
    }

    func changed(from old: TunnelRule?, to new: TunnelRule?) {
        if let old, let group = old.group {
            members[group]?[old.name] = nil
            if members[group]?.isEmpty ?? false { members[group] = nil }
            down[old.name] = nil
        }
        if let new, let group = new.group { members[group, default: [:]][new.name] = new }
        probes.changed(from: old, to: new)
    }

    /// Who is to have the next visitor of a rule; nil when nobody is left who was not tried, and is well.
    func choose(_ rule: TunnelRule, tried: [String] = []) -> TunnelRule? {
        guard let group = rule.group, let all = members[group] else { return tried.isEmpty ? rule : nil }
        let now = node.loop.now
        let left = all.values.filter { !tried.contains($0.name) && !probes.isUnwell($0) }
        return left.min { one, other in
            order(one, now) < order(other, now)
        }
    }

    private func order(_ rule: TunnelRule, _ now: Moment) -> (Int, Int, String) {
        let isHere = node.sessions[rule.target] != nil || node.whereabouts(of: rule.target) != nil
        let isDown = down[rule.name].map { $0 > now } ?? false
        return (isHere ? isDown ? 1 : 0 : 2, node.transfers.connections(of: rule.name), rule.name)
    }

    func failed(_ rule: TunnelRule) { if rule.group != nil { down[rule.name] = node.loop.now + Self.pause } }
    func succeeded(_ rule: TunnelRule) { if rule.group != nil { down[rule.name] = nil } }

    /// Why a rule's target does not pass its health check here; nil when it does, or has none.
    func trouble(of rule: TunnelRule) -> String? { probes.trouble(of: rule) }
}

extension TunnelRule {
    /// The mark of its group; nil when it is alone.
    var group: String? { options.group.isEmpty ? nil : options.group }
    /// What stands in the registry as the holder of its name or port.
    var holder: String { group.map { "group:\($0)" } ?? owner }
}
