import Glibc

/// Accepts UDP: each peer is a link.
public struct DatagramAcceptor: Acceptor {
    public var address: SocketAddress
    public var limits: DatagramLimits

    public init(_ address: SocketAddress, limits: DatagramLimits = DatagramLimits()) {
        (self.address, self.limits) = (address, limits)
    }

    /// Every loop has a socket on the same port; the kernel keeps a peer with one of them.
    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        if intakes.isEmpty { throw .noLoops }
        var sockets: [LoopBound<DatagramSocket>] = []
        var bound = address
        for intake in intakes {
            let limits = limits
            do throws(SystemError) {
                let socket = try OwnedDescriptor.bound(to: bound, SOCK_DGRAM, sharesPort: intakes.count > 1)
                bound = socket.localAddress
                let descriptor = socket.release()
                sockets.append(
                    try await intake.map { loop, intake throws(SystemError) in
                        let socket = DatagramSocket(descriptor: descriptor, intake: intake, limits: limits)
                        try socket.open(on: loop)
                        return socket
                    })
            } catch {
                await Self.stop(sockets)
                throw ListenError(bound, error)
            }
        }
        let opened = sockets
        return Listening(address: bound) { await Self.stop(opened) }
    }

    private static func stop(_ sockets: [LoopBound<DatagramSocket>]) async {
        for socket in sockets {
            await socket.run { loop, socket in socket.stop(loop) }
            await socket.release()
        }
    }
}

/// Dials UDP: a link with a socket of its own, on which only that peer is heard.
public struct DatagramDialer: Dialer {
    public var peer: SocketAddress
    public var limits: DatagramLimits

    public init(_ peer: SocketAddress, limits: DatagramLimits = DatagramLimits()) {
        (self.peer, self.limits) = (peer, limits)
    }

    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        var socket = DatagramSocket(descriptor: -1, intake: nil, limits: limits)
        var problem: SystemError?
        do throws(SystemError) {
            let descriptor = try OwnedDescriptor.socket(peer.family, SOCK_DGRAM)
            if unsafe peer.withSystemAddress({ unsafe connect(descriptor.number, $0, $1) }) != 0 {
                throw SystemError.last
            }
            socket = DatagramSocket(descriptor: descriptor.release(), intake: nil, limits: limits)
            try socket.open(on: loop)
        } catch { problem = error }
        guard let link = socket.flow(to: peer, on: loop, handler: handler) else {
            socket.stop(loop)
            return nil
        }
        if let problem {
            link.close(.connectFailed.with("\(peer): \(problem)"))
        } else {
            loop.after(.zero, OpensLater(link))
        }
        return link
    }
}

/// Opens a link in the next turn: nobody may hear `opened` before `dial` has returned.
private final class OpensLater: TimerTarget {
    private let link: Link
    init(_ link: Link) { self.link = link }
    func timerFired(_ token: UInt64, on loop: Loop) { link.opened() }
}
