import OmniwayTransport
import OmniwayWire

/// Whoever has come to a rule at a node, until its link is open.
final class RuleVisitor: LinkHandler {
    private let rule: TunnelRule
    private weak var node: TunnelNode?
    private let heard: ((InvokeCode?) -> Void)?

    /// `heard` is told once how it went: nothing when the target is there, or why it is not.
    init(of rule: TunnelRule, at node: TunnelNode, heard: ((InvokeCode?) -> Void)? = nil) {
        (self.rule, self.node, self.heard) = (rule, node, heard)
    }

    func opened(_ link: Link) {
        guard let node else { return link.close(.shutdown) }
        node.transfers.begin(rule, link, heard: heard)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
}
