import OmniwayTransport
import OmniwayWire

/// Where a client listens: what the node's list says, changed by what it pushes.
final class ClientListeners {
    private unowned let client: TunnelClient
    private let home: EventLoop
    private var open: [String: (rule: TunnelRule, door: LinkDoor)] = [:]
    private var visitors: [String: Int] = [:]
    private static let most = 4096

    init(of client: TunnelClient, home: EventLoop) { (self.client, self.home) = (client, home) }

    var addresses: [String] { open.keys.sorted() }

    /// The whole list: closes what is not in it, opens what is new, and leaves alone what stays.
    func set(_ rules: [TunnelRule]) {
        let wanted = Set(rules.map { $0.listenAddress.text })
        for address in addresses where !wanted.contains(address) { remove(address) }
        for rule in rules { add(rule) }
    }

    func add(_ rule: TunnelRule) {
        let address = rule.listenAddress.text
        if open[address] != nil {
            open[address]?.rule = rule  // The same door; who comes from now on meets the new rule.
            return
        }
        guard open.count < Self.most, let place = rule.listenAddress.place else {
            return client.note(.notListening(rule, .unknownHost(address)))
        }
        let settings = client.settings
        let acceptor =
            rule.listenAddress.keepsMessages ? settings.listenDatagrams(place) : settings.listen(place)
        let door = LinkDoor(on: client.loop, home: home, acceptor) { [weak self] result in
            switch result {
            case .success: self?.client.note(.listening(rule))
            case .failure(let error):
                self?.open[address] = nil
                self?.client.note(.notListening(rule, error))
            }
        } accept: { [weak self] link in
            guard let self, let rule = open[address]?.rule, client.isLoggedIn, rule.limits.admits(link.traits.peer)
            else { return nil }
            return Visitor(of: rule, at: client)
        }
        open[address] = (rule, door)
    }

    func remove(_ address: String) {
        guard let (rule, door) = open.removeValue(forKey: address) else { return }
        door.close()
        client.note(.stoppedListening(rule))
    }

    func closeAll() { for address in addresses { remove(address) } }

    /// Where datagrams of a visitor of SOCKS5 may come.
    private func socksPorts(_ rule: TunnelRule) -> SocksDoor.Ports {
        let at = rule.listenAddress.place?.with(port: 0) ?? .ipv4(0, port: 0)
        return SocksDoor.Ports(home: home, choices: [(at, client.settings.listenDatagrams(at))])
    }

    /// A visitor, until its stream to the node is there to take over.
    private final class Visitor: LinkHandler {
        private let rule: TunnelRule
        private weak var client: TunnelClient?
        init(of rule: TunnelRule, at client: TunnelClient) { (self.rule, self.client) = (rule, client) }

        func opened(_ link: Link) {
            guard let client else { return link.close(.connectFailed) }
            let ports = rule.listenAddress.asks ? client.listeners.socksPorts(rule) : nil
            let body: JSON = ["ListenAddr": .string(rule.listenAddress.text)]
            let headers: InvokeHeaders = ["VisitorAddr": link.traits.peer.description]
            let first = { [loop = client.loop] in
                StreamGreeting.bytes(TunnelNode.Path.listenIn, headers: headers, body: body.text, on: loop)
            }
            guard let ports else {
                return client.carrier.join(link, isBulk: rule.options.isBulk, handler: self, first)
            }
            guard let stream = client.carrier.peer.dial(handler: self) else { return link.close(.connectFailed) }
            stream.write(first())
            SocksDoor(link, stream, login: rule.options.login != nil, ports: ports)
        }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
    }
}

extension TunnelAddress {
    /// Where the listening client opens it.
    fileprivate var place: SocketAddress? {
        switch self {
        case .client(_, let at) where at.host.isEmpty: .ipv4(0, port: at.port)
        case .client(_, let at): SocketAddress(host: at.host, port: at.port)
        case .unix(let path): .unix(path)
        case .port, .domain: nil
        }
    }
}
