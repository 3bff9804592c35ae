import OmniwayTelemetry
import OmniwayTransport

/// Looks at the targets of groups that have a health check: the target's client asks the target, every now and then.
final class RuleProbes: TimerTarget {
    private weak var node: TunnelNode?
    private var rules: [String: TunnelRule] = [:]
    /// Why those that did not pass did not.
    private var troubles: [String: String] = [:]
    private var asked: Set<String> = []
    private var timer: TimerID?
    private static let interval = Duration.seconds(5)

    init(at node: TunnelNode) { self.node = node }

    func isUnwell(_ rule: TunnelRule) -> Bool { troubles[rule.name] != nil }
    func trouble(of rule: TunnelRule) -> String? { troubles[rule.name] }

    func changed(from old: TunnelRule?, to new: TunnelRule?) {
        if let old {
            rules[old.name] = nil
            if new == nil || new?.targetAddress != old.targetAddress || new?.options.health != old.options.health {
                troubles[old.name] = nil
            }
        }
        guard let new, new.group != nil, new.options.health != nil else { return }
        rules[new.name] = new
        ask(new)
        if timer == nil { timer = node?.loop.after(Self.interval, self) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        guard node?.isDraining == false, !rules.isEmpty else { return }
        for name in rules.keys.sorted() { if let rule = rules[name] { ask(rule) } }
        timer = loop.after(Self.interval, self)
    }

    private func ask(_ rule: TunnelRule) {
        // Nobody is sent to a client that is away, and when it comes back it is asked.
        guard let node, !asked.contains(rule.name) else { return }
        let answered: (Result<InvokeResponse, InvokeFailure>) -> Void = { [weak self] in self?.answered(rule, $0) }
        if let invoker = node.sessions[rule.target]?.peer.invoker {
            asked.insert(rule.name)
            let limit = TargetProbe.patience * 2
            invoker.invoke(TunnelNode.Path.probe, body: rule.shown.text, within: limit, then: answered)
        } else if let elsewhere = node.whereabouts(of: rule.target) {
            asked.insert(rule.name)
            node.links.send(
                TunnelNode.Path.probe, InvokeHeaders(), rule.shown.text, to: rule.target, at: elsewhere, answered)
        }
    }

    private func answered(_ rule: TunnelRule, _ result: Result<InvokeResponse, InvokeFailure>) {
        asked.remove(rule.name)
        guard rules[rule.name]?.targetAddress == rule.targetAddress else { return }
        let was = troubles[rule.name] != nil
        switch result {
        case .success: troubles[rule.name] = nil
        // A client of an older version, which cannot look, is taken for well.
        case .failure(.refused(.notFound, _)): troubles[rule.name] = nil
        case .failure(let failure): troubles[rule.name] = failure.description
        }
        guard was != (troubles[rule.name] != nil) else { return }
        Log.shared.notice(
            was ? "a target is well again" : "a target does not pass its health check",
            ["rule": rule.name, "target": "\(rule.targetAddress)", "why": troubles[rule.name] ?? ""])
    }
}
