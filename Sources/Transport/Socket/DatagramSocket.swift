import Glibc
import OmniwayTelemetry

/// A UDP socket of one loop. Each peer that sends to it is a link: a flow that keeps messages and may lose them.
final class DatagramSocket: PollSource {
    private static let readsPerTurn = 64
    private let intake: (any LinkIntake)?
    private let limits: DatagramLimits
    private var flows: [SocketAddress: DatagramFlow] = [:]
    private var blocked: [DatagramFlow] = []
    private var isOpen = false
    private var isAccepting = true
    private var interest: Readiness = []

    /// Without an intake only the flows that were added are served.
    init(descriptor: Int32, intake: (any LinkIntake)?, limits: DatagramLimits) {
        (self.intake, self.limits) = (intake, limits)
        super.init(descriptor: descriptor)
    }

    func open(on loop: Loop, reads: Bool = true) throws(SystemError) {
        isOpen = true
        if reads { interest = .read }
        do throws(SystemError) {
            try loop.watch(self, for: interest)
        } catch {
            close(loop)
            throw error
        }
    }

    /// What the flow has to say goes out here, to that peer.
    func add(_ flow: DatagramFlow, to peer: SocketAddress) {
        (flow.socket, flow.peer) = (self, peer)
        flows[peer] = flow
    }

    /// Begins to read, on a socket that was opened without.
    func read(_ loop: Loop) {
        guard isOpen else { return }
        interest = .read
        watch(interest, loop)
    }

    // MARK: From the loop

    override func ready(_ readiness: Readiness, on loop: Loop) {
        if readiness.contains(.write) { goOn(loop) }
        guard isOpen, !readiness.isDisjoint(with: [.read, .error]) else { return }
        guard interest.contains(.read) else {
            _ = pendingError  // Taken, so that the poller does not say it again.
            return
        }
        for _ in 0..<Self.readsPerTurn where isOpen {
            var count = 0
            let peer = unsafe SocketAddress.read { address, length in
                count = unsafe recvfrom(descriptor, loop.inbound.start, InboundBuffer.size, 0, address, length)
                return Int32(truncatingIfNeeded: min(count, 0))
            }
            guard let peer else {
                if errno == EAGAIN { return }
                failed(SystemError.last)
                continue
            }
            loop.counters.datagramsRead.add(1)
            // A dialled socket hears one peer only, whatever address it answers from.
            let known = intake == nil ? flows.values.first?.link : flows[peer]?.link
            guard let link = known ?? accept(peer, loop) else { continue }
            deliver(count, to: link, loop)
        }
    }

    private func deliver(_ count: Int, to link: Link, _ loop: Loop) {
        guard link.isReading else { return loop.counters.droppedMessages.add(1) }
        link.deliver(unsafe RawSpan(_unsafeStart: loop.inbound.start, byteCount: count), endOfMessage: true)
    }

    private func accept(_ peer: SocketAddress, _ loop: Loop) -> Link? {
        guard let intake, isAccepting else { return nil }
        let flow = DatagramFlow()
        guard flows.count < limits.flows || endQuietest(loop),
            let link = flow.makeLink(on: loop, limits, peer: peer, handler: loop.nobody)
        else {
            loop.counters.refusedConnection(.tooManyLinks)
            return nil
        }
        add(flow, to: peer)
        guard let handler = intake.accept(link) else {
            link.close(.refused)
            return nil
        }
        link.handler = handler
        link.opened()
        return link
    }

    /// Makes room for a stranger, if somebody has been quiet for long enough.
    private func endQuietest(_ loop: Loop) -> Bool {
        guard let quiet = limits.replacesAfter else { return false }
        var quietest: (link: Link, since: Moment)?
        for flow in flows.values {
            guard let link = flow.link else { continue }
            let since = max(link.lastHeard, link.lastSent)
            if since < quietest?.since ?? loop.now { quietest = (link, since) }
        }
        guard let (link, since) = quietest, loop.now - since >= quiet else { return false }
        link.close(.idle.with("another peer has taken its place"))
        return true
    }

    /// An error that came back, such as "port unreachable". It concerns the one flow of a dialled socket; on a socket
    /// with many the kernel does not say whom.
    private func failed(_ error: SystemError) {
        guard intake == nil else { return }
        for flow in flows.values { flow.link?.close(.reset.with(error.description)) }
    }

    // MARK: From the flows

    func send(_ bytes: RawSpan, to peer: SocketAddress, from flow: DatagramFlow, _ loop: Loop) -> Int {
        let count = unsafe bytes.withUnsafeBytes { bytes in
            unsafe peer.withSystemAddress { address, length in
                unsafe sendto(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
        if count >= 0 { return count }
        guard errno == EAGAIN || errno == ENOBUFS else {
            // Too long for the path, or no route now: lost, as datagrams may be.
            loop.counters.droppedMessages.add(1)
            return bytes.byteCount
        }
        blocked.append(flow)
        watch(interest.union(.write), loop)
        return 0
    }

    private func goOn(_ loop: Loop) {
        watch(interest, loop)
        let waiting = blocked
        blocked = []
        for flow in waiting { flow.link?.sendable() }
    }

    private func watch(_ interest: Readiness, _ loop: Loop) {
        do throws(SystemError) {
            try loop.change(self, to: interest)
        } catch { Log.shared.error("datagram socket lost", ["error": "\(error)"]) }
    }

    func remove(_ peer: SocketAddress, _ loop: Loop) {
        flows[peer] = nil
        if flows.isEmpty, intake == nil || !isAccepting { close(loop) }
    }

    /// Takes no new flows; the socket closes with the last one. What is still read of one that another process reads
    /// too would be missing there.
    func stop(_ loop: Loop) {
        isAccepting = false
        if flows.isEmpty { return close(loop) }
        guard isOpen, ListeningSockets.shared.isHandedOver else { return }
        interest = []
        watch(blocked.isEmpty ? [] : .write, loop)
    }

    private func close(_ loop: Loop) {
        guard isOpen else { return }
        isOpen = false
        loop.forget(self)
        // A dialled one is no concern of others.
        if intake == nil { Glibc.close(descriptor) } else { ListeningSockets.shared.close(descriptor) }
    }

    override func loopEnds(_ loop: Loop) { close(loop) }
}

/// One peer of a datagram socket.
final class DatagramFlow: LinkDriver {
    /// Nil until the link has a socket to be opened with.
    var socket: DatagramSocket?
    var peer = SocketAddress.none
    private(set) var link: Link?

    /// Nil when the loop has no room.
    func makeLink(
        on loop: Loop, _ limits: DatagramLimits, peer: SocketAddress, handler: any LinkHandler
    ) -> Link? {
        let traits = LinkTraits(
            keepsMessages: true, isReliable: false, halfCloses: false, pausing: .buffers, peer: peer)
        link = Link(on: loop, traits: traits, limits: limits.queue, driver: self, handler: handler)
        link?.idleLimit = limits.idle
        return link
    }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        socket?.send(bytes, to: peer, from: self, link.loop) ?? 0
    }
    /// What arrives while nobody reads is dropped: a datagram's sender does not wait.
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) {}
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        socket?.remove(peer, link.loop)
    }
}

public struct DatagramLimits: Sendable {
    /// Peers that one loop serves at once; datagrams of others are dropped and counted.
    public var flows = 65_536
    /// A flow without a datagram either way for so long ends.
    public var idle = Duration.seconds(60)
    /// When all flows are there, the quietest gives its place to another peer if it has been quiet for so long; nil if
    /// none does.
    public var replacesAfter: Duration?
    public var queue = QueueLimits(low: 64 << 10, high: 256 << 10, most: 1 << 20)
    public init() {}
}
