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
            return Visitor(of: address, at: client)
        }
        open[address] = (rule, door)
    }

    func remove(_ address: String) {
        guard let (rule, door) = open.removeValue(forKey: address) else { return }
        door.close()
        client.note(.stoppedListening(rule))
    }

    func closeAll() { for address in addresses { remove(address) } }

    /// A visitor, until its stream to the node is there to take over.
    private final class Visitor: LinkHandler {
        private let address: String
        private weak var client: TunnelClient?
        init(of address: String, at client: TunnelClient) { (self.address, self.client) = (address, client) }

        func opened(_ link: Link) {
            guard let client, let stream = client.carrier.peer.dial(like: link, handler: self) else {
                return link.close(.connectFailed)
            }
            let body: JSON = ["ListenAddr": .string(address)]
            let headers: InvokeHeaders = ["VisitorAddr": link.traits.peer.description]
            let first = StreamGreeting.bytes(
                TunnelNode.Path.listenIn, headers: headers, body: body.text, on: client.loop)
            stream.write(first)
            do throws(RelayError) { try Relay(link, stream) } catch {
                stream.close(.reset)
                link.close(.reset.with(error.description))
            }
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

extension CarrierPeer {
    /// A stream for a stream, a flow for a flow.
    func dial(like link: Link, handler: any LinkHandler) -> Link? {
        link.traits.keepsMessages ? dialDatagrams(handler: handler) : dial(handler: handler)
    }
}
