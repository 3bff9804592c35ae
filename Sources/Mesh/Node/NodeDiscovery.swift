public import OmniwayTransport
import OmniwayWire

extension MulticastGroup {
    /// Where nodes of meshes look for each other: 239.255.86.80:11901, where the default route goes.
    public static let localMesh: MulticastGroup = {
        guard let group = MulticastGroup(.ipv4(0xefff_5650, port: 11901)) else { preconditionFailure("it is a group") }
        return group
    }()
}

/// What a node says and hears on the local network. One sender of datagrams is one link.
final class NodeDiscovery {
    private let host: NodeHost
    private let dialer: any Dialer
    private var discovery: Discovery
    private var random: SeededRandom
    private var speaking: Link?
    private var timer: TimerID?
    private var isStopped = false

    init(of host: NodeHost, by dialer: any Dialer) {
        (self.host, self.dialer) = (host, dialer)
        discovery = Discovery(host.id, groupSecret: host.settings.groupSecret, at: host.now)
        random = SeededRandom(seed: UInt64.random(in: 0 ... .max, using: &host.loop.random))
    }

    func start() {
        host.discovery = self
        tick()
    }

    func stop() {
        isStopped = true
        if let timer { host.loop.cancel(timer) }
        timer = nil
        speaking?.close(.done)
        speaking = nil
    }

    private func tick() {
        discovery.port = host.port
        perform(discovery.tick(at: host.now, random: &random), from: .none)
        timer = host.loop.after(max(.zero, discovery.deadline - host.now) + .nanoseconds(1), self)
    }

    private func perform(_ actions: [Discovery.Action], from peer: SocketAddress) {
        for action in actions {
            switch action {
            case .send(let bytes):
                // One that has failed is made again by the next beacon.
                if speaking?.state == .closed || speaking == nil {
                    speaking = dialer.dial(on: host.loop, deadline: host.settings.dialLimit, handler: self)
                }
                speaking?.write(bytes, endOfMessage: true)
            case .found(let node, let port): host.found(node, at: "\(peer.with(port: port))")
            }
        }
    }
}

extension NodeDiscovery: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) { if !isStopped { tick() } }
}

extension NodeDiscovery: LinkIntake {
    func accept(_ link: Link) -> (any LinkHandler)? { isStopped ? nil : self }
}

extension NodeDiscovery: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if isStopped { return bytes.byteCount }
        let peer = link.traits.peer.host
        let datagram = bytes.array(0..<min(bytes.byteCount, Beacon.size + 1))
        perform(discovery.receive(datagram, from: "\(peer)", at: host.now), from: peer)
        return bytes.byteCount
    }
}
