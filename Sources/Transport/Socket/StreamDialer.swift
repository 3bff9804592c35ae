import Glibc

/// Dials TCP or Unix sockets. A name that has several addresses is tried by happy eyeballs (RFC 8305).
public struct StreamDialer: Dialer {
    enum Target: Sendable { case addresses([SocketAddress]), host(HostPort) }
    let target: Target
    public var options: SocketOptions
    public var queue: QueueLimits
    /// How long one address may take before the next is tried beside it.
    public var attemptDelay = Duration.milliseconds(250)

    public init(_ address: SocketAddress, options: SocketOptions = SocketOptions(), queue: QueueLimits = QueueLimits())
    {
        self.init([address], options: options, queue: queue)
    }

    /// Addresses in the order in which to try them.
    public init(
        _ addresses: [SocketAddress], options: SocketOptions = SocketOptions(), queue: QueueLimits = QueueLimits()
    ) {
        (target, self.options, self.queue) = (.addresses(addresses), options, queue)
    }

    public init(_ host: HostPort, options: SocketOptions = SocketOptions(), queue: QueueLimits = QueueLimits()) {
        // What is written in digits needs no look-up, and no helper's time.
        let address = host.host.isEmpty ? nil : SocketAddress(host: host.host, port: host.port)
        (target, self.options, self.queue) = (address.map { .addresses([$0]) } ?? .host(host), options, queue)
    }

    public func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        let driver = SocketDriver()
        guard let link = Link(on: loop, traits: .stream, limits: queue, driver: driver, handler: handler) else {
            return nil
        }
        let dialing = Dialing(link, driver, options: options, attemptDelay: attemptDelay)
        driver.dials(link, by: dialing)
        dialing.start(target, deadline: deadline)
        return link
    }
}

/// The attempts to connect one link. It ends with the first that succeeds, the last that fails, the deadline, or the
/// link.
final class Dialing {
    private static let nextToken: UInt64 = 1
    private static let deadlineToken: UInt64 = 2

    private let loop: Loop
    private let link: Link
    private let driver: SocketDriver
    private let options: SocketOptions
    private let attemptDelay: Duration
    private var waiting: ArraySlice<SocketAddress> = []
    private var attempts: [ConnectAttempt] = []
    private var nextTimer: TimerID?
    private var deadlineTimer: TimerID?
    private var lastFailure: String?
    private var isOver = false

    init(_ link: Link, _ driver: SocketDriver, options: SocketOptions, attemptDelay: Duration) {
        (loop, self.link, self.driver) = (link.loop, link, driver)
        (self.options, self.attemptDelay) = (options, attemptDelay)
    }

    func start(_ target: StreamDialer.Target, deadline: Duration) {
        deadlineTimer = loop.after(deadline, self, token: Self.deadlineToken)
        switch target {
        case .addresses(let addresses): tryAll(addresses)
        case .host(let host):
            loop.offLoop {
                Resolver.lookUp(host)
            } _: { [self] result in
                guard !isOver else { return }
                switch result {
                case .success(let addresses): tryAll(addresses)
                case .failure(let failure): fail(.addressUnknown.with(failure.text))
                case nil: fail(.addressUnknown.with("\(host): too many look-ups are under way"))
                }
            }
        }
    }

    private func tryAll(_ addresses: [SocketAddress]) {
        waiting = addresses[...]
        tryNext()
    }

    private func tryNext() {
        if let nextTimer { loop.cancel(nextTimer) }
        nextTimer = nil
        while let address = waiting.popFirst() {
            do throws(SystemError) {
                attempts.append(try ConnectAttempt(address, for: self, on: loop))
                if !waiting.isEmpty { nextTimer = loop.after(attemptDelay, self, token: Self.nextToken) }
                return
            } catch { lastFailure = "\(address): \(error)" }
        }
        if attempts.isEmpty { fail(.connectFailed.with(lastFailure ?? "no address")) }
    }

    func succeeded(_ attempt: ConnectAttempt) {
        let descriptor = attempt.release(loop)
        attempts.removeAll { $0 === attempt }
        end()
        options.apply(to: descriptor, family: attempt.address.family)
        driver.connected(descriptor, to: attempt.address, link)
    }

    func failed(_ attempt: ConnectAttempt, _ error: SystemError) {
        attempts.removeAll { $0 === attempt }
        close(attempt.release(loop))
        lastFailure = "\(attempt.address): \(error)"
        // Nothing is gained by waiting for the next one's turn.
        if nextTimer != nil || attempts.isEmpty { tryNext() }
    }

    private func fail(_ reason: CloseReason) {
        end()
        driver.failed()
        link.ended(reason)
    }

    /// Gives up what is under way; also when the link was closed meanwhile.
    func end() {
        isOver = true
        for attempt in attempts { close(attempt.release(loop)) }
        attempts = []
        waiting = []
        if let nextTimer { loop.cancel(nextTimer) }
        if let deadlineTimer { loop.cancel(deadlineTimer) }
    }
}

extension Dialing: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard !isOver else { return }
        if token == Self.nextToken {
            nextTimer = nil
            tryNext()
        } else {
            fail(.connectTimeout.with(lastFailure ?? "nobody answered in time"))
        }
    }
}

/// One address that is being connected to.
final class ConnectAttempt: PollSource {
    let address: SocketAddress
    private let dialing: Dialing

    init(_ address: SocketAddress, for dialing: Dialing, on loop: Loop) throws(SystemError) {
        (self.address, self.dialing) = (address, dialing)
        let socket = try OwnedDescriptor.socket(address.family, SOCK_STREAM)
        let result = unsafe address.withSystemAddress { unsafe connect(socket.number, $0, $1) }
        if result != 0 && errno != EINPROGRESS { throw SystemError.last }
        super.init(descriptor: socket.release())
        do throws(SystemError) {
            // Also when it is connected already: nobody hears of that before `dial` has returned.
            try loop.watch(self, for: .write)
        } catch {
            close(descriptor)
            throw error
        }
    }

    override func ready(_ readiness: Readiness, on loop: Loop) {
        if let error = pendingError { dialing.failed(self, error) } else { dialing.succeeded(self) }
    }

    /// Whoever calls this closes the descriptor.
    func release(_ loop: Loop) -> Int32 {
        loop.forget(self)
        return descriptor
    }
}
