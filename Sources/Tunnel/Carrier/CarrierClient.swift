public import OmniwayTransport
import OmniwayWire

/// The dialling side of a carrier on one loop: one command connection, and as many others as its streams need.
///
/// `connect` makes the command connection, the owner logs in over `peer.invoker` and then calls `peer.authorize`, and
/// `attach` brings the connections for streams. After the command connection was lost the owner calls `connect` again,
/// when it likes; streams that are open go on meanwhile.
public final class CarrierClient {
    public let loop: Loop
    /// The other side. It stays the same when the command connection is replaced.
    public let peer: CarrierPeer
    /// What the other side may call.
    public let routes: InvokeRoutes
    /// Sent when connecting; empty for a client that is not known yet.
    public var terminal: String

    private let settings: CarrierSettings
    private let codec = InvokeCodec()
    private var dialer: any Dialer
    /// Data connections, and idle ones, that are being dialled.
    private var joining = 0
    private var joiningIdle = 0
    /// Connections of their own that streams are about to have.
    private var joiningBulk = 0
    private static let mostBulk = 256
    private var failures = 0
    private var retry: TimerID?
    private var shrinking: TimerID?
    private var isAttached = false
    private var isClosed = false
    /// The session that the connections were opened in, until they are a newer one's.
    private var session: (id: String, key: [UInt8])?

    private enum Token { static let retry: UInt64 = 0, shrink: UInt64 = 1 }
    private static let shrinkTime = Duration.seconds(30)

    public init(
        on loop: Loop, dialer: some Dialer, terminal: String = "", settings: CarrierSettings = CarrierSettings(),
        routes: InvokeRoutes = InvokeRoutes(), owner: any CarrierOwner
    ) {
        (self.loop, self.dialer, self.terminal, self.settings, self.routes) = (loop, dialer, terminal, settings, routes)
        peer = CarrierPeer(
            on: loop, id: "", settings: settings, budget: MuxBudget(settings.loopBudget), owner: owner)
        peer.wantsConnection = { [weak self] in self?.dialMore() }
        peer.wantsIdle = { [weak self] in self?.dialIdle() }
        peer.onEnd = { [weak self] in self?.isAttached = false }
    }

    /// Dials the command connection, to another server if one is given. The owner hears `opened`, or `failed` is
    /// called.
    public func connect(by dialer: (any Dialer)? = nil, failed: @escaping (CloseReason) -> Void = { _ in }) {
        guard !isClosed else { return failed(.done) }
        if let dialer { self.dialer = dialer }
        let hello = CarrierHello(.command, terminal: terminal)
        join(hello) { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let failure): failed(failure.reason)
            case .success(let joined):
                let invoker = Invoker(
                    over: joined.link, id: joined.id, terminal: joined.terminal, routes: routes, codec: codec)
                peer.open(invoker)
            }
        }
    }

    /// The login is done and `peer.authorize` was called: brings the connections for streams. Those of the session
    /// before are taken along if the server still has them.
    public func attach() {
        precondition(!peer.key.isEmpty, "call peer.authorize first")
        guard let invoker = peer.invoker, !isClosed else { return }
        guard let session, session.id != peer.id, !peer.hasNothing else { return begin() }
        let proof = CarrierHello.proof("Resume", connection: peer.id, session: session.id, key: session.key)
        let headers: InvokeHeaders = [CarrierHello.Header.session: session.id, CarrierHello.Header.proof: proof]
        invoker.invoke(CarrierHello.Path.resume, headers: headers) { [weak self] result in
            // Another server, or the next process of the same one: streams go on over the connections they have.
            if case .failure = result { self?.peer.retireConnections() }
            if invoker.link != nil { self?.begin() }
        }
    }

    private func begin() {
        session = (peer.id, peer.key)
        isAttached = true
        failures = 0
        peer.attached()
        for _ in peer.connectionCount..<max(settings.connections.lowerBound, peer.connectionCount) { dialData() }
        dialIdle()
        if shrinking == nil { shrinking = loop.after(Self.shrinkTime, self, token: Token.shrink) }
    }

    /// Ends all connections, and dials no more.
    public func close(_ reason: CloseReason = .done) {
        isClosed = true
        isAttached = false
        peer.close(reason)
    }

    /// A stream that will carry much, over a connection of its own: one that waits, or a new one. When there can be
    /// none it is a stream among others. Nil when the loop has no room for another link.
    public func dialBulk(_ then: @escaping (Link?) -> Void) {
        guard isAttached, peer.idleCount == 0 else { return then(peer.dialBulk(handler: Unused())) }
        guard joiningBulk + peer.bulkCount < Self.mostBulk else { return then(peer.dial(handler: Unused())) }
        joiningBulk += 1
        join(CarrierHello(.bulk, terminal: terminal, session: peer.id)) { [weak self] result in
            guard let self else { return then(nil) }
            joiningBulk -= 1
            guard case .success(let joined) = result else { return then(peer.dial(handler: Unused())) }
            guard !isClosed else {
                joined.link.close(.done)
                return then(nil)
            }
            joined.link.handler = Unused()
            peer.note(bulk: joined.link)
            then(joined.link)
        }
    }

    /// The handler of a stream until somebody has it.
    private final class Unused: LinkHandler {
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
    }

    // MARK: Connections for streams

    private func dialMore() {
        if joining == 0, retry == nil { dialData() }
    }

    private func dialData() {
        guard isAttached, peer.connectionCount + joining < settings.connections.upperBound else { return }
        joining += 1
        join(CarrierHello(.data, terminal: terminal, session: peer.id)) { [weak self] result in
            guard let self else { return }
            joining -= 1
            if let link = joined(result) { peer.add(.dialed, over: link) }
        }
    }

    private func dialIdle() {
        while isAttached, retry == nil, peer.idleCount + joiningIdle < settings.bulkPool {
            joiningIdle += 1
            join(CarrierHello(.bulk, terminal: terminal, session: peer.id)) { [weak self] result in
                guard let self else { return }
                joiningIdle -= 1
                if let link = joined(result) { peer.addIdle(over: link) }
            }
        }
    }

    /// The link, unless it came to nothing: then the next is tried later, and later each time.
    private func joined(_ result: Result<CarrierJoining.Joined, CarrierJoining.Failure>) -> Link? {
        switch result {
        case .success(let joined):
            failures = 0
            if !isClosed { return joined.link }
            joined.link.close(.done)
        case .failure where isAttached && retry == nil:
            failures += 1
            let most = min(Duration.milliseconds(500 << min(failures - 1, 6)), .seconds(30))
            let delay = Double.random(in: 0.1...1, using: &loop.random)
            retry = loop.after(most * delay, self, token: Token.retry)
        case .failure: break
        }
        return nil
    }

    private func join(
        _ hello: CarrierHello, then: @escaping (Result<CarrierJoining.Joined, CarrierJoining.Failure>) -> Void
    ) {
        let joining = CarrierJoining(hello, codec: codec, key: peer.key, then: then)
        let link = dialer.dial(on: loop, deadline: settings.dialing, handler: joining)
        if link == nil { joining.fail(.tooManyLinks) }
    }
}

extension CarrierClient: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Token.shrink {
            shrinking = nil
            guard isAttached else { return }
            peer.shrink()
            shrinking = loop.after(Self.shrinkTime, self, token: Token.shrink)
        } else {
            retry = nil
            if !peer.hasSpare || peer.connectionCount < settings.connections.lowerBound { dialData() }
            dialIdle()
        }
    }
}
