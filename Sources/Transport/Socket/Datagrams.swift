import Glibc

/// Accepts UDP: each peer is a link.
public struct DatagramAcceptor: Acceptor {
    public var address: SocketAddress
    public var limits: DatagramLimits
    /// Whom to hear besides those who send to this machine alone.
    var group: MulticastGroup?

    public init(_ address: SocketAddress, limits: DatagramLimits = DatagramLimits()) {
        (self.address, self.limits) = (address, limits)
    }

    /// Every loop has a socket on the same port; the kernel keeps a peer with one of them. A socket that was passed and
    /// does not share its port serves alone.
    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        if intakes.isEmpty { throw .noLoops }
        var sockets: [LoopBound<DatagramSocket>] = []
        var descriptors: [Int32] = []
        var bound = address
        for intake in intakes {
            let limits = limits
            do throws(SystemError) {
                let isShared = intakes.count > 1 || group != nil
                let opened = try ListeningSockets.shared.open(bound, .datagram, sharesPort: isShared)
                bound = opened.local
                let descriptor = opened.descriptor
                descriptors.append(descriptor)
                if let group, !opened.isGiven { try group.join(with: descriptor) }
                let socket = try await intake.map { loop, intake throws(SystemError) in
                    let socket = DatagramSocket(descriptor: descriptor, intake: intake, limits: limits)
                    try socket.open(on: loop, reads: false)
                    return socket
                }
                sockets.append(socket)
                let start = { @Sendable in await socket.run { loop, socket in socket.read(loop) } }
                if !opened.isGiven || ListeningSockets.shared.whenAlone(start) { await start() }
                if !opened.sharesPort { break }
            } catch {
                await Self.stop(sockets)
                throw ListenError(bound, error)
            }
        }
        let opened = sockets
        let listening = Listening(address: bound) { await Self.stop(opened) }
        ListeningSockets.shared.attach(listening, to: descriptors)
        return listening
    }

    private static func stop(_ sockets: [LoopBound<DatagramSocket>]) async {
        for socket in sockets {
            await socket.run { loop, socket in socket.stop(loop) }
            await socket.release()
        }
    }
}

/// Dials UDP: a link with a socket of its own, on which only that peer is heard. Of the addresses of a name the first
/// is taken, because none of them would say that it is there.
public struct DatagramDialer: Dialer {
    private enum Target { case peer(SocketAddress), host(HostPort) }
    private let target: Target
    public var limits: DatagramLimits
    var group: MulticastGroup?

    public init(_ peer: SocketAddress, limits: DatagramLimits = DatagramLimits()) {
        (target, self.limits) = (.peer(peer), limits)
    }

    public init(_ host: HostPort, limits: DatagramLimits = DatagramLimits()) {
        let peer = host.host.isEmpty ? nil : SocketAddress(host: host.host, port: host.port)
        (target, self.limits) = (peer.map { .peer($0) } ?? .host(host), limits)
    }

    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let flow = DatagramFlow()
        guard let link = flow.makeLink(on: loop, limits, peer: .none, handler: handler) else { return nil }
        let dialing = DatagramDialing(link, flow, limits, group)
        switch target {
        case .peer(let peer): dialing.connect(to: peer)
        case .host(let host):
            link.connect(within: deadline)
            loop.offLoop {
                Resolver.lookUp(host)
            } _: { result in
                switch result {
                case .success(let found): found.first.map { dialing.connect(to: $0) }
                case .failure(let failure): link.close(.addressUnknown.with(failure.text))
                case nil: link.close(.addressUnknown.with("\(host): too many look-ups are under way"))
                }
            }
        }
        return link
    }
}

/// A dialled link until it has its socket, and is open.
private final class DatagramDialing: TimerTarget {
    private let link: Link
    private let flow: DatagramFlow
    private let limits: DatagramLimits
    private let group: MulticastGroup?

    init(_ link: Link, _ flow: DatagramFlow, _ limits: DatagramLimits, _ group: MulticastGroup?) {
        (self.link, self.flow, self.limits, self.group) = (link, flow, limits, group)
    }

    func connect(to peer: SocketAddress) {
        guard link.state == .connecting else { return }
        do throws(SystemError) {
            let descriptor = try OwnedDescriptor.socket(peer.family, SOCK_DGRAM)
            if let group { try descriptor.speak(to: group) }
            if unsafe peer.withSystemAddress({ unsafe Glibc.connect(descriptor.number, $0, $1) }) != 0 {
                throw SystemError.last
            }
            let socket = DatagramSocket(descriptor: descriptor.release(), intake: nil, limits: limits)
            try socket.open(on: link.loop)
            socket.add(flow, to: peer)
            link.setPeer(peer)
            link.loop.after(.zero, self)
        } catch { link.close(.connectFailed.with("\(peer): \(error)")) }
    }

    /// In the next turn: nobody may hear `opened` before `dial` has returned.
    func timerFired(_ token: UInt64, on loop: Loop) { link.opened() }
}
