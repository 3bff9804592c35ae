public import OmniwayTransport

/// Sends back what it receives. The smallest part there is, to see that a node lives.
public struct EchoPart: NodePart {
    public struct Configuration: Sendable {
        public var address = SocketAddress.loopback()
        public var idleLimit = Duration.seconds(300)
        public var limits = ConnectionLimits(total: 100_000, perAddress: 10_000)
        public init() {}
    }

    private let listening: Listening
    private let intakes: [LoopBound<EchoIntake>]

    public init(_ configuration: Configuration, on loops: EventLoops) async throws(ListenError) {
        let idleLimit = configuration.idleLimit
        intakes = await loops.own { _ in EchoIntake(idleLimit: idleLimit) }
        listening = try await StreamAcceptor(configuration.address, limits: configuration.limits).open(into: intakes)
    }

    public var ports: [Node.Port] { [Node.Port("echo", at: listening.address)] }

    /// Accepts no more, and echoes until who is there has gone. Returns how many have not in time.
    public func stop(within limit: Duration) async -> Int {
        await listening.stop()
        return await left(after: limit) {
            var count = 0
            for intake in intakes { count += await intake.run { loop, intake in intake.count(on: loop) } }
            return count
        }
    }
}

/// Sends back what the links bring that it takes.
package final class EchoIntake: LinkIntake, LinkHandler {
    private let idleLimit: Duration

    package init(idleLimit: Duration) { self.idleLimit = idleLimit }

    package func accept(_ link: Link) -> (any LinkHandler)? {
        link.idleLimit = idleLimit
        return self
    }

    package func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes, endOfMessage: endOfMessage)
        if link.isFull { link.holdBack(link) }  // Who does not read its echo is not read either.
        return bytes.byteCount
    }

    package func finished(_ link: Link) { link.finish() }

    fileprivate func count(on loop: Loop) -> Int {
        var count = 0
        loop.forEachLink { if $0.handler === self { count += 1 } }
        return count
    }
}
