public import OmniwayTransport
public import OmniwayWire

/// A client or a server at a gateway: one physical link, and any number of connections with those at the other side.
/// A server needs no port of its own, and may have an endpoint at each of several gateways.
///
/// ```swift
/// let server = try await GatewayEndpoint(.server(7, key: "secret"), over: StreamDialer(gateway), on: loop)
/// for await player in server.connections(.text) {
///     Task { for try await words in player.messages { try await player.send("you said: \(words)") } }
/// }
/// ```
///
/// Its connections are links, which any face or handler takes: `open(into:)` gives those that others dial,
/// `dialer(to:)` those that are dialled. It connects when it is first used, and again whenever the gateway is lost,
/// until it is closed or its loop ends.
public final class GatewayEndpoint: Sendable {
    public let configuration: EndpointConfiguration
    private let session: LoopLocal<EndpointSession>
    private let mailbox: Mailbox<EndpointWork>

    public convenience init(
        _ configuration: EndpointConfiguration, over dialer: some Dialer, on home: EventLoop
    ) async throws(EndpointError) {
        let made = await home.run { loop -> Result<GatewayEndpoint?, EndpointError> in
            do throws(EndpointError) {
                return .success(try EndpointSession(configuration, over: dialer, on: loop).endpoint)
            } catch { return .failure(error) }
        }
        guard let made = try made.get() else { throw .closed(.shutdown) }
        self.init(made.session, made.mailbox, configuration)
    }

    init(
        _ session: LoopLocal<EndpointSession>, _ mailbox: Mailbox<EndpointWork>, _ configuration: EndpointConfiguration
    ) {
        (self.session, self.mailbox, self.configuration) = (session, mailbox, configuration)
    }

    /// Its part on its own loop; nil on others, and when it has ended.
    public func session(on loop: Loop) -> EndpointSession? { session.on(loop) }

    // MARK: For tasks

    /// Waits until the gateway has answered, which it does only when it knows a server's key.
    public func ready(within limit: Duration = .seconds(10)) async throws(EndpointError) {
        try await ask { (promise: Promise<Void>) in
            { session in
                session.whenReady(promise)
                session.loop.after(limit, Deadline(promise, session))
            }
        }
    }

    /// A connection with a server, or, for a server, with a client. Any number may be asked for at once.
    public func dial<Format: MessageFormat>(
        _ remote: EndpointID, _ format: Format = .bytes, within limit: Duration = .seconds(10)
    ) async throws(EndpointError) -> GatewayConnection<Format> {
        let core = ConnectionCore(configuration, mailbox)
        let ends = try await withTaskCancellationHandler {
            await answer { (promise: Promise<VirtualEnds>) in
                { session in
                    if core.departures.hasEnded { return promise.fulfil(.failure(.cancelled)) }
                    let handler = ConnectionHandler(core, dialled: remote, promise)
                    guard let link = session.dial(remote, deadline: limit, handler: handler) else {
                        return promise.fulfil(.failure(.closed(.tooManyLinks)))
                    }
                    core.dials(link.id)
                }
            }
        } onCancel: {
            core.close(.done)
        }.get()
        return GatewayConnection(core, ends, format)
    }

    /// The connections that others dial, from now on; who asked before, or has opened the endpoint as an acceptor, gets
    /// no more. As many as `recvChanSize` wait to be taken; beyond that they are hung up on.
    public func connections<Format: MessageFormat>(_ format: Format = .bytes) -> GatewayConnections<Format> {
        [self].connections(format)
    }

    /// Takes no more connections, and closes when the last one has ended.
    public func retire() { mailbox.post { $0.retire() } }

    /// Ends all its connections. What was sent before still goes out.
    public func close(_ reason: CloseReason = .done) { mailbox.post { $0.close(reason) } }

    private func ask<Value: Sendable>(
        _ question: (Promise<Value>) -> EndpointWork
    ) async throws(EndpointError) -> Value {
        try await answer(question).get()
    }

    private func answer<Value: Sendable>(
        _ question: (Promise<Value>) -> EndpointWork
    ) async -> Result<Value, EndpointError> {
        await withCheckedContinuation { waiter in mailbox.post(question(Promise(waiter))) }
    }

    func accept(into arrivals: Arrivals<Newcomer>) {
        let (configuration, mailbox) = (configuration, mailbox)
        mailbox.post { session in
            session.intake = NewcomerIntake(arrivals, configuration, mailbox)
            session.start()
        }
    }
}

extension GatewayEndpoint: Acceptor {
    /// The connections that others dial, as links that keep messages. On the endpoint's own loop they are what they
    /// are; on others they go through pipes, in turn, and only their bytes are known there.
    public func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening {
        if intakes.isEmpty { throw .noLoops }
        if intakes.count == 1, await isHome(intakes[0], opens: true) {
            return Listening(address: .none) { [mailbox] in mailbox.post { $0.intake = nil } }
        }
        let pipes = InProcess(traits: VirtualDriver.traits)
        let listening = try await pipes.open(into: intakes)
        mailbox.post { session in
            session.intake = SpreadIntake(pipes)
            session.start()
        }
        let mailbox = mailbox
        return Listening(address: .none) {
            mailbox.post { $0.intake = nil }
            await listening.stop()
        }
    }

    private func isHome<Intake: LinkIntake>(_ intake: LoopBound<Intake>, opens: Bool) async -> Bool {
        let name = session
        return await intake.run { loop, intake in
            guard let session = name.on(loop) else { return false }
            session.intake = intake
            session.start()
            return true
        }
    }

    /// Dials one remote endpoint, as any other dialer does its address. On the endpoint's own loop.
    public func dialer(to remote: EndpointID) -> some Dialer { VirtualDialer(session: session, remote: remote) }
}

private struct VirtualDialer: Dialer {
    let session: LoopLocal<EndpointSession>
    let remote: EndpointID

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        if let session = session.on(loop) { return session.dial(remote, deadline: deadline, handler: handler) }
        let driver = Ended()
        let link = Link(on: loop, traits: VirtualDriver.traits, driver: driver, handler: handler)
        link?.close(.gatewayLost.with("the endpoint has ended, or lives on another loop"))
        return link
    }
}

/// Below a link that never comes about.
private final class Ended: LinkDriver {
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int { bytes.byteCount }
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) {}
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {}
}

/// Sends each link to another loop.
private final class SpreadIntake: LinkIntake {
    private let pipes: InProcess
    init(_ pipes: InProcess) { self.pipes = pipes }

    func accept(_ link: Link) -> (any LinkHandler)? {
        let onward = pipes.dial(on: link.loop, deadline: .seconds(10), handler: link.handler)
        guard let onward, (try? Relay(link, onward)) != nil else { return nil }
        return link.handler  // The relay has put its own there.
    }
}

private final class Deadline: TimerTarget {
    private let promise: Promise<Void>
    private let session: EndpointSession
    init(_ promise: Promise<Void>, _ session: EndpointSession) { (self.promise, self.session) = (promise, session) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        promise.fulfil(.failure(.closed(session.lastLoss ?? .connectTimeout.with("the gateway does not answer"))))
    }
}
