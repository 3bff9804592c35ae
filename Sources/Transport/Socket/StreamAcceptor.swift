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
        if case .unix(let path) = address { try Self.removeStaleSocket(path, address) }
        let settings = ListenerSettings(options: options, queue: queue, limits: limits)
        var listeners: [LoopBound<Listener>] = []
        var hands: [(home: EventLoop, mailbox: Mailbox<DetachedLink>)] = []
        var bound = address
        do throws(ListenError) {
            switch spread {
            case .kernel where intakes.count > 1 && address.family != AF_UNIX:
                for intake in intakes {
                    let (listener, local) = try await Self.listen(
                        on: bound, sharesPort: true, intake, settings, hands: [])
                    listeners.append(listener)
                    bound = local
                }
            case .kernel, .dealt:
                // A hand for each loop but the first, which keeps its own share.
                for intake in intakes.dropFirst() {
                    let mailbox = await intake.run { loop, intake in Listener.hand(on: loop, intake, settings) }
                    hands.append((intake.home, mailbox))
                }
                let (listener, local) = try await Self.listen(
                    on: address, sharesPort: false, first, settings, hands: hands.map(\.mailbox))
                listeners.append(listener)
                bound = local
            }
        } catch {
            await Self.stop(listeners, hands)
            throw error
        }
        let (opened, dealt) = (listeners, hands)
        return Listening(address: bound) { await Self.stop(opened, dealt) }
    }

    private static func stop(
        _ listeners: [LoopBound<Listener>], _ hands: [(home: EventLoop, mailbox: Mailbox<DetachedLink>)]
    ) async {
        for listener in listeners {
            await listener.run { loop, listener in listener.stop(loop) }
            await listener.release()
        }
        for (home, mailbox) in hands { await home.run { loop in loop.remove(mailbox) } }
    }

    private static func listen<Intake: LinkIntake>(
        on address: SocketAddress, sharesPort: Bool, _ intake: LoopBound<Intake>, _ settings: ListenerSettings,
        hands: [Mailbox<DetachedLink>]
    ) async throws(ListenError) -> (LoopBound<Listener>, SocketAddress) {
        do throws(SystemError) {
            let socket = try OwnedDescriptor.listening(
                on: address, sharesPort: sharesPort, backlog: settings.options.backlog)
            let local = socket.localAddress
            let descriptor = socket.release()
            let listener = try await intake.map { loop, intake throws(SystemError) in
                let listener = Listener(
                    descriptor: descriptor, address: local, settings: settings, intake: intake, hands: hands)
                do throws(SystemError) {
                    try loop.watch(listener, for: .read)
                } catch {
                    close(descriptor)
                    throw error
                }
                return listener
            }
            return (listener, local)
        } catch { throw ListenError(address, error) }
    }

    /// A socket file that nobody answers at is left from a process that ended; one that answers is in use.
    private static func removeStaleSocket(_ path: String, _ address: SocketAddress) throws(ListenError) {
        guard !path.hasPrefix("@") else { return }
        do throws(SystemError) {
            let probe = try OwnedDescriptor.socket(AF_UNIX, SOCK_STREAM)
            let result = unsafe address.withSystemAddress { unsafe connect(probe.number, $0, $1) }
            if result == 0 { throw SystemError(number: EADDRINUSE) }
            if errno == ECONNREFUSED { _ = unsafe unlink(path) }
        } catch { throw ListenError(address, error) }
    }
}
