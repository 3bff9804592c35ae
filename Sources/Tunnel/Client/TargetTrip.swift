import OmniwayTransport
import OmniwayWire

/// One visitor's way to its target at the client behind which that is: first the target is dialled, then the node.
final class TargetTrip: LinkHandler {
    private let client: TunnelClient
    private let headers: InvokeHeaders
    private let target: TargetAddress
    private let isBulk: Bool
    private var isOver = false

    /// The node has asked for a target.
    static func begin(_ request: InvokeRequest, for client: TunnelClient) {
        var headers = InvokeHeaders()
        for name in ["TransferId", "RelayNodeId", "ListenClientId"] { headers[name] = request.headers[name] }
        let rule: TunnelRule
        do throws(TunnelRefusal) { rule = try client.rule(in: request.body) } catch {
            return refuse(headers, error.code, error.words, client)
        }
        let target = rule.targetAddress
        guard client.allows(target, by: rule) else {
            client.note(.targetFailed(target, "it is not among the targets that are allowed"))
            return refuse(headers, .forbidden, "the client does not allow this target", client)
        }
        if target.scheme == .file { return FileTrip.begin(rule, headers, for: client) }
        if target.scheme == .asked { return SocksTrip.begin(rule, headers, for: client) }
        let trip = TargetTrip(headers, rule, client)
        let settings = client.settings
        var dialer = target.keepsMessages ? settings.dialDatagrams(target.at) : settings.dialStream(target)
        if let version = rule.options.proxyHeader {
            let visitor = SocketAddress(request.headers["VisitorAddr"] ?? "") ?? .none
            dialer = AnyDialer(ProxyAnnouncement(visitor, version).over(AnyDialer(dialer)))
        }
        if dialer.dial(on: client.loop, deadline: client.settings.dialPatience, handler: trip) == nil {
            trip.fail("the loop has no room for another link")
        }
    }

    private init(_ headers: InvokeHeaders, _ rule: TunnelRule, _ client: TunnelClient) {
        (self.headers, self.client) = (headers, client)
        (target, isBulk) = (rule.targetAddress, rule.options.isBulk)
    }

    func opened(_ link: Link) {
        isOver = true
        if link.traits.keepsMessages { link.idleLimit = DatagramLimits.tunnel.idle }
        client.carrier.join(link, isBulk: isBulk, handler: self) { [headers, client] in
            StreamGreeting.bytes(TunnelNode.Path.go, headers: headers, on: client.loop)
        }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }

    func closed(_ link: Link, _ reason: CloseReason) {
        if !isOver { fail(reason.description, reason == .connectTimeout ? .unreachable : .targetFailed) }
    }

    private func fail(_ words: String, _ code: InvokeCode = .targetFailed) {
        isOver = true
        client.note(.targetFailed(target, words))
        Self.refuse(headers, code, words, client)
    }

    private static func refuse(
        _ headers: InvokeHeaders, _ code: InvokeCode, _ words: String, _ client: TunnelClient
    ) {
        var headers = headers
        (headers["Code"], headers["Message"]) = (code.description, words)
        // Without a connection there is nobody to tell; the node gives up by itself.
        try? client.carrier.peer.invoker?.send(TunnelNode.Path.fail, headers: headers)
    }
}

extension TunnelClientSettings {
    func dialStream(_ target: TargetAddress) -> any Dialer {
        target.scheme == .unix ? dialUnix(target.path) : dial(target.at)
    }
}
