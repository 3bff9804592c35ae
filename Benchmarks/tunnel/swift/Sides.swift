import OmniwayTransport
import OmniwayTunnel

/// Small queues: a visitor that does not read is to hold little.
let relayQueue = {
    var limits = QueueLimits(low: 16 << 10, high: 64 << 10)
    limits.perTurn = 64 << 10
    return limits
}()

/// Takes visitors, and gives each a stream to the client.
final class ServerSide: CarrierOwner, LinkIntake {
    private(set) var server: CarrierServer?
    private var peer: CarrierPeer?
    private let isBulk: Bool

    init(on loop: Loop, _ settings: CarrierSettings, isBulk: Bool) {
        self.isBulk = isBulk
        let routes = InvokeRoutes()
        server = CarrierServer(on: loop, settings: settings, routes: routes, owner: self)
        routes.twoWay("/login") { _, invoker, answer in
            (invoker.attachment as? CarrierPeer)?.authorize(Tunnel.key)
            answer.succeed()
        }
    }

    func isReady(idle: Int) -> Bool { peer.map { $0.connectionCount > 0 && $0.idleCount >= idle } ?? false }

    func opened(_ peer: CarrierPeer) {
        self.peer = peer
        peer.invoker?.attachment = peer
    }
    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }

    func accept(_ visitor: Link) -> (any LinkHandler)? {
        visitor.limits = relayQueue
        guard let peer else { return nil }
        let waiting = Waiting()
        let stream = isBulk ? peer.dialBulk(handler: waiting) : peer.dial(limits: relayQueue, handler: waiting)
        guard let stream, let relay = try? Relay(visitor, stream) else { return nil }
        if isBulk { relay.splice() }
        return visitor.handler
    }
}

/// Gives each stream a connection to the origin.
final class ClientSide: CarrierOwner {
    private var client: CarrierClient?
    private let origin: StreamDialer

    init(on loop: Loop, _ dialer: some Dialer, _ settings: CarrierSettings, _ origin: StreamDialer) {
        self.origin = origin
        client = CarrierClient(on: loop, dialer: dialer, settings: settings, owner: self)
        client?.connect { reason in print("cannot connect: \(reason)") }
    }

    func opened(_ peer: CarrierPeer) {
        peer.invoker?.invoke("/login") { result in
            guard case .success = result else { return print("cannot log in: \(result)") }
            peer.authorize(Tunnel.key)
            self.client?.attach()
        }
    }

    func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? {
        stream.limits = relayQueue
        let target = origin.dial(on: stream.loop, deadline: .seconds(10), handler: Waiting())
        target?.limits = relayQueue
        guard let target, let relay = try? Relay(stream, target) else { return nil }
        relay.splice()
        return stream.handler
    }
}

final class CarrierIntake: LinkIntake {
    private let server: CarrierServer?
    init(_ server: CarrierServer?) { self.server = server }
    func accept(_ link: Link) -> (any LinkHandler)? { server?.accept(link) }
}

/// Until a relay takes the link.
final class Waiting: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
}

/// Writes zeros as fast as they are taken.
final class Source: LinkHandler {
    private static let block = [UInt8](repeating: 0, count: 64 << 10)
    private var left: Int
    init(_ bytes: Int) { left = bytes }

    func opened(_ link: Link) {
        link.limits = relayQueue
        write(link)
    }
    func writable(_ link: Link) { write(link) }
    private func write(_ link: Link) {
        while left > 0, !link.isFull, link.state == .open {
            link.write(left >= Self.block.count ? Self.block : Array(Self.block.prefix(left)))
            left -= min(left, Self.block.count)
        }
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

/// The origin.
final class Sink: LinkIntake, LinkHandler {
    enum Mode { case swallow, echo, ignore }
    var mode = Mode.swallow
    private(set) var received = 0

    func accept(_ link: Link) -> (any LinkHandler)? {
        if mode == .ignore { link.pauseReading() }
        return self
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        received += bytes.byteCount
        if mode == .echo { link.write(bytes) }
        return bytes.byteCount
    }
}

/// One message there and back after the other.
final class Pinger: LinkHandler {
    private var left: Int
    private var times: [Int] = []
    private var sentAt = ContinuousClock.now
    private let done: AsyncStream<[Int]>.Continuation
    private static let message = [UInt8](repeating: 7, count: 64)

    init(_ count: Int, _ done: AsyncStream<[Int]>.Continuation) { (left, self.done) = (count, done) }

    func opened(_ link: Link) { send(link) }
    private func send(_ link: Link) {
        sentAt = .now
        link.write(Self.message)
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard bytes.byteCount == 64 else { return 0 }
        times.append(Int((ContinuousClock.now - sentAt) / .nanoseconds(1)))
        left -= 1
        if left > 0 {
            send(link)
        } else {
            done.yield(times)
            link.close(.done)
        }
        return 64
    }
}

/// Visitors who come, say one thing, hear it, and go.
final class Opener: LinkHandler {
    private var left: Int
    private var under = 0
    private let dialer: StreamDialer
    private let done: AsyncStream<Void>.Continuation
    private static let message = [UInt8](repeating: 7, count: 64)

    init(_ count: Int, by dialer: StreamDialer, _ done: AsyncStream<Void>.Continuation) {
        (left, self.dialer, self.done) = (count, dialer, done)
    }

    func next(on loop: Loop) {
        guard left > 0 else {
            if under == 0 { done.yield(()) }
            return
        }
        left -= 1
        under += 1
        dialer.dial(on: loop, deadline: .seconds(10), handler: self)?.write(Self.message)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if bytes.byteCount == 64 { link.close(.done) }
        return bytes.byteCount == 64 ? 64 : 0
    }
    func closed(_ link: Link, _ reason: CloseReason) {
        under -= 1
        next(on: link.loop)
    }
}
