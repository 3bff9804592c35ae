public import OmniwayTransport
public import OmniwayWire

/// Clients and servers meet through it by virtual connections, on one physical connection each. It speaks the protocols
/// of fastway and uniway; servers need no public port.
///
/// ```swift
/// let gateway = await Gateway(on: EventLoops(), settings)
/// try await gateway.listen(for: .client, on: StreamAcceptor(":10010"))
/// try await gateway.listen(for: .server, on: StreamAcceptor("10.0.0.1:10020"))
/// ```
public final class Gateway: Sendable {
    public let settings: GatewaySettings
    let shards: [LoopBound<GatewayShard>]
    let directory: GatewayDirectory

    public convenience init(on loops: EventLoops, _ settings: GatewaySettings = GatewaySettings()) async {
        await self.init(on: loops.loops, settings)
    }

    public convenience init(on loops: [EventLoop], _ settings: GatewaySettings = GatewaySettings()) async {
        await self.init(on: loops, settings, GatewayDirectory())
    }

    init(on loops: [EventLoop], _ settings: GatewaySettings, _ directory: GatewayDirectory) async {
        precondition(loops.indices.elementsEqual(loops.map(\.index)), "loops are counted from zero")
        precondition(!loops.isEmpty, "a gateway needs a loop")
        precondition(GatewaySettings.packetSizes ~= settings.maxPacketSize, "a packet size that cannot be")
        precondition(loops.count <= Int(UInt8.max), "more than \(UInt8.max) loops")
        var shards: [LoopBound<GatewayShard>] = []
        var mailboxes: [Mailbox<GatewayBatch>] = []
        for loop in loops {
            let shard = await loop.own { GatewayShard(on: $0, settings, directory) }
            shards.append(shard)
            mailboxes.append(await shard.run { _, shard in shard.mailbox })
        }
        for shard in shards { await shard.run { [mailboxes] _, shard in shard.meet(mailboxes) } }
        (self.settings, self.shards, self.directory) = (settings, shards, directory)
    }

    /// Takes the links of `acceptor` as clients, or as servers, of one dialect. A gateway may have any number of ports.
    @discardableResult
    public func listen(
        for side: GatewaySide, on acceptor: some Acceptor, dialect: GatewayDialect = .v2
    ) async throws(ListenError) -> Listening {
        var ports: [LoopBound<GatewayIntake>] = []
        for shard in shards { ports.append(await shard.map { _, shard in GatewayIntake(side, dialect, of: shard) }) }
        let intakes = ports
        do throws(ListenError) {
            let listening = try await acceptor.open(into: intakes)
            return Listening(address: listening.address) {
                await listening.stop()
                for intake in intakes { await intake.release() }
            }
        } catch {
            for intake in intakes { await intake.release() }
            throw error
        }
    }

    /// Refuses new dials and waits until no virtual connection is left, or until the time is over; then closes all
    /// peers. Stop the ports before. Returns how many virtual connections were cut off.
    @discardableResult
    public func drain(within limit: Duration) async -> Int {
        let (isOver, waiter) = AsyncStream.makeStream(of: Never.self)
        await shards.first?.run { loop, shard in
            shard.directory.drain()
            DrainWatch(shard.directory, until: loop.now + limit, waiter).timerFired(0, on: loop)
        }
        for await _ in isOver {}
        let rest = directory.connectionCount
        for shard in shards { await shard.run { _, shard in shard.closeAll(.drained) } }
        return rest
    }
}

/// Tells when no virtual connection is left, or the time is over.
private final class DrainWatch: TimerTarget {
    private let directory: GatewayDirectory
    private let end: Moment
    private let waiter: AsyncStream<Never>.Continuation
    private var due: Moment

    init(_ directory: GatewayDirectory, until end: Moment, _ waiter: AsyncStream<Never>.Continuation) {
        (self.directory, self.end, self.waiter) = (directory, end, waiter)
        due = end
    }

    private static let interval = Duration.milliseconds(20)

    func timerFired(_ token: UInt64, on loop: Loop) {
        // A loop that ends calls its timers before they are due.
        let loopEnds = due < end && loop.now < due
        if directory.connectionCount == 0 || loop.now >= end || loopEnds { return waiter.finish() }
        due = min(loop.now + Self.interval, end)
        loop.after(due - loop.now, self)
    }
}

/// One port of a gateway, on one loop.
final class GatewayIntake: LinkIntake {
    private let side: GatewaySide
    private let dialect: GatewayDialect
    private let shard: GatewayShard

    init(_ side: GatewaySide, _ dialect: GatewayDialect, of shard: GatewayShard) {
        (self.side, self.dialect, self.shard) = (side, dialect, shard)
    }

    func accept(_ link: Link) -> (any LinkHandler)? {
        // Over WebSocket a message may hold many frames, or a part of one.
        if link.traits.keepsMessages { return MessageJoining().accept(link, into: self) }
        return shard.receive(link, side, dialect)
    }
}
