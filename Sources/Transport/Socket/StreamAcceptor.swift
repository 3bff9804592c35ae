import Glibc

/// Accepts TCP or Unix connections.
public struct StreamAcceptor: Acceptor {
    /// How connections reach the loops.
    public enum Spread: Sendable {
        /// Every loop listens on the same port and the kernel chooses. A busy port of the same user is not an error
        /// then.
        case kernel
        /// One listener deals connections out in turn. A busy port is an error.
        case dealt
    }

    public var address: SocketAddress
    public var spread: Spread
    public var options: SocketOptions
    public var queue: QueueLimits
    public var limits: ConnectionLimits?

    public init(
        _ address: SocketAddress, spread: Spread = .dealt, options: SocketOptions = SocketOptions(),
        queue: QueueLimits = QueueLimits(), limits: ConnectionLimits? = nil
    ) {
        (self.address, self.spread, self.options, self.queue, self.limits) = (address, spread, options, queue, limits)
    }

    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        guard let first = intakes.first else { throw .noLoops }
        let settings = ListenerSettings(options: options, queue: queue, limits: limits)
        var listeners: [LoopBound<Listener>] = []
        var hands: [(home: EventLoop, mailbox: Mailbox<DetachedLink>)] = []
        let wantsShares = spread == .kernel && intakes.count > 1 && address.family != AF_UNIX
        let socket = try openSocket(on: address, sharesPort: wantsShares)
        var descriptors = [socket.descriptor]
        do throws(ListenError) {
            // A socket that was passed may be the only one that there can be.
            let isShared = wantsShares && socket.sharesPort
            if !isShared {
                // A hand for each loop but the first, which keeps its own share.
                for intake in intakes.dropFirst() {
                    let mailbox = await intake.run { loop, intake in Listener.hand(on: loop, intake, settings) }
                    hands.append((intake.home, mailbox))
                }
            }
            listeners.append(try await Self.listen(on: socket, first, settings, hands: hands.map(\.mailbox)))
            for intake in isShared ? intakes.dropFirst() : [] {
                let another = try openSocket(on: socket.local, sharesPort: true)
                descriptors.append(another.descriptor)
                listeners.append(try await Self.listen(on: another, intake, settings, hands: []))
            }
        } catch {
            await Self.stop(listeners, hands)
            throw error
        }
        let (opened, dealt) = (listeners, hands)
        let listening = Listening(address: socket.local) { await Self.stop(opened, dealt) }
        ListeningSockets.shared.attach(listening, to: descriptors)
        return listening
    }

    private func openSocket(
        on address: SocketAddress, sharesPort: Bool
    ) throws(ListenError) -> ListeningSockets.Opened {
        do throws(SystemError) {
            return try ListeningSockets.shared.open(address, .stream, sharesPort: sharesPort, options)
        } catch { throw ListenError(address, error) }
    }

    private static func stop(
        _ listeners: [LoopBound<Listener>], _ hands: [(home: EventLoop, mailbox: Mailbox<DetachedLink>)]
    ) async {
        for listener in listeners {
            await listener.run { loop, listener in listener.stop(loop) }
            await listener.release()
        }
        // Connections that were accepted and dealt are not lost.
        for (home, mailbox) in hands { await home.run { loop in loop.finish(mailbox) } }
    }

    private static func listen<Intake: LinkIntake>(
        on socket: ListeningSockets.Opened, _ intake: LoopBound<Intake>, _ settings: ListenerSettings,
        hands: [Mailbox<DetachedLink>]
    ) async throws(ListenError) -> LoopBound<Listener> {
        let (descriptor, local) = (socket.descriptor, socket.local)
        do throws(SystemError) {
            let listener = try await intake.map { loop, intake throws(SystemError) in
                let listener = Listener(
                    descriptor: descriptor, address: local, settings: settings, intake: intake, hands: hands)
                do throws(SystemError) {
                    try loop.watch(listener, for: [])
                } catch {
                    ListeningSockets.shared.close(descriptor)
                    throw error
                }
                return listener
            }
            let start = { @Sendable in await listener.run { loop, listener in listener.start(loop) } }
            if !socket.isGiven || ListeningSockets.shared.whenAlone(start) { await start() }
            return listener
        } catch { throw ListenError(local, error) }
    }
}
