public import OmniwayTransport
import OmniwayWire

/// A program behind some network: it listens for visitors where its rules say, and reaches targets for others. It lives
/// on one loop, and is with one node at a time.
///
/// ```swift
/// let client = await TunnelClient.start(on: loop, nodes: [StreamDialer(node)], identity: kept) { event, _ in … }
/// ```
public final class TunnelClient {
    public let loop: Loop
    /// Who it is; nil before it was registered.
    public private(set) var identity: TunnelIdentity?
    /// The node that it is with.
    public private(set) var node: String?
    let settings: TunnelClientSettings
    private let nodes: [any Dialer]
    private let tell: (TunnelClientEvent, TunnelClient) -> Void
    private let routes = InvokeRoutes()
    private(set) lazy var carrier = CarrierClient(
        on: loop, dialer: AnyDialer(nodes[0]), settings: settings.carrier, routes: routes, owner: self)
    private(set) lazy var listeners = ClientListeners(of: self, home: home)
    private let home: EventLoop

    private var attempt = 0
    private var failures = 0
    private var since: Moment?
    private var retry: TimerID?
    private var beat: TimerID?
    private var heartbeat = Duration.seconds(10)
    /// What a node said before it let go of us.
    private var kick: InvokeCode?
    private var isClosed = false
    private enum Token { static let retry: UInt64 = 0, beat: UInt64 = 1 }

    /// Begins to connect at once. `tell` hears what happens, on the loop.
    public static func start(
        on loop: EventLoop, nodes: [any Dialer], identity: TunnelIdentity? = nil,
        settings: TunnelClientSettings = TunnelClientSettings(),
        tell: @escaping @Sendable (TunnelClientEvent, TunnelClient) -> Void = { _, _ in }
    ) async -> LoopBound<TunnelClient> {
        await loop.own { TunnelClient(on: $0, home: loop, nodes, identity, settings, tell) }
    }

    private init(
        on loop: Loop, home: EventLoop, _ nodes: [any Dialer], _ identity: TunnelIdentity?,
        _ settings: TunnelClientSettings, _ tell: @escaping (TunnelClientEvent, TunnelClient) -> Void
    ) {
        precondition(!nodes.isEmpty, "a client needs a node")
        (self.loop, self.home, self.nodes, self.identity) = (loop, home, nodes, identity)
        (self.settings, self.tell) = (settings, tell)
        addRoutes()
        connect()
    }

    public var isLoggedIn: Bool { node != nil }
    /// Addresses where it listens.
    public var listening: [String] { listeners.addresses }

    func note(_ event: TunnelClientEvent) { tell(event, self) }

    /// The rule of a visitor. Visitors of one rule come one after another, mostly.
    func rule(in body: String) throws(TunnelRefusal) -> TunnelRule {
        if let lastAsked, lastAsked.body == body { return lastAsked.rule }
        let rule = try TunnelRule(MemberReader.json(body))
        lastAsked = (body, rule)
        return rule
    }
    private var lastAsked: (body: String, rule: TunnelRule)?

    // MARK: Rules

    /// Makes a rule, or changes that for the same address.
    public func add(
        _ rule: TunnelRuleRequest, _ done: @escaping (Result<TunnelRule, InvokeFailure>) -> Void = { _ in }
    ) {
        call(TunnelNode.Path.ruleAdd, rule.json.text) { result in
            done(
                result.flatMap { response in
                    do throws(TunnelRefusal) {
                        return .success(try TunnelRule(MemberReader.json(response.body)))
                    } catch { return .failure(.refused(error.code, error.words)) }
                })
        }
    }

    /// Takes the rule for an address away.
    public func remove(_ listen: String, _ done: @escaping (Result<Void, InvokeFailure>) -> Void = { _ in }) {
        let body: JSON = ["listenAddr": .string(listen)]
        call(TunnelNode.Path.ruleDelete, body.text) { done($0.map { _ in }) }
    }

    /// Another AuthCode, which `identity` has then. With `revokes`, the rules of others that lead here go.
    public func changeCode(
        revokes: Bool, _ done: @escaping (Result<TunnelIdentity, InvokeFailure>) -> Void = { _ in }
    ) {
        call(TunnelNode.Path.newCode, headers: ["Revoke": "\(revokes)"], "") { [weak self] result in
            done(
                result.flatMap { response in
                    do throws(TunnelRefusal) {
                        let code = try MemberReader(response.body).text("AuthCode")
                        guard let self, var identity = self.identity else { return .failure(.closed(.done)) }
                        identity.authCode = code
                        self.identity = identity
                        return .success(identity)
                    } catch { return .failure(.refused(error.code, error.words)) }
                })
        }
    }

    private func call(
        _ path: String, headers: InvokeHeaders = InvokeHeaders(), _ body: String,
        _ done: @escaping (Result<InvokeResponse, InvokeFailure>) -> Void
    ) {
        guard let invoker = carrier.peer.invoker, isLoggedIn else { return done(.failure(.closed(.done))) }
        invoker.invoke(path, headers: headers, body: body, then: done)
    }

    /// Ends everything.
    public func close() {
        isClosed = true
        stopTimers()
        listeners.closeAll()
        carrier.close()
    }

    // MARK: Connecting

    private func connect() {
        guard !isClosed else { return }
        carrier.terminal = identity?.client ?? ""
        let dialer = nodes[attempt % nodes.count]
        attempt += 1
        carrier.connect(by: AnyDialer(dialer)) { [weak self] in self?.again(after: $0) }
    }

    private func again(after reason: CloseReason) {
        guard !isClosed, retry == nil else { return }
        note(.lost(reason))
        if let since, loop.now - since >= settings.stability { failures = 0 }
        since = nil
        let pause: Duration
        switch exchange(&kick, with: nil) {
        case .reconnect?: pause = settings.firstPause * chance
        case .superseded?:
            listeners.closeAll()
            guard let kickPause = settings.kickPause else { return close() }
            pause = kickPause + kickPause / 10 * chance
        case .notAuthenticated?: pause = settings.longestPause * (0.5 + chance / 2)
        default: pause = min(settings.firstPause * (1 << min(failures, 20)), settings.longestPause) * chance
        }
        failures += 1
        retry = loop.after(pause, self, token: Token.retry)
    }

    private var chance: Double { Double.random(in: 0...1, using: &loop.random) }

    private func stopTimers() {
        if let retry = exchange(&retry, with: nil) { loop.cancel(retry) }
        if let beat = exchange(&beat, with: nil) { loop.cancel(beat) }
    }

    private func register(_ invoker: Invoker) {
        let headers: InvokeHeaders = settings.registerKey.isEmpty ? [:] : ["RegisterKey": settings.registerKey]
        invoker.invoke(TunnelNode.Path.register, headers: headers) { [weak self] result in
            guard let self else { return }
            do {
                let identity = try TunnelIdentity(MemberReader.json(result.get().body))
                self.identity = identity
                invoker.terminal = identity.client
                note(.registered(identity))
                login(identity, invoker)
            } catch { refused(error, invoker) }
        }
    }

    private func login(_ identity: TunnelIdentity, _ invoker: Invoker) {
        let body: JSON = ["clientId": .string(identity.client), "token": .string(identity.token)]
        invoker.invoke(TunnelNode.Path.login, body: body.text) { [weak self] result in
            guard let self else { return }
            do {
                let reader = try MemberReader(result.get().body)
                let key = Base64.decode(try reader.text("sessionKey")) ?? []
                guard key.count >= 16 else { throw TunnelRefusal(.failed, "the node gave no key") }
                heartbeat = .seconds(try reader.number("heartbeatSeconds", in: 1...3600, or: 10))
                self.identity?.authCode = try reader.text("AuthCode")
                node = try reader.text("nodeId")
                carrier.peer.authorize(key)
                carrier.attach()
                since = loop.now
                note(.loggedIn(node: node ?? ""))
                beat = loop.after(heartbeat, self, token: Token.beat)
                readList(invoker)
            } catch { refused(error, invoker) }
        }
    }

    private func refused(_ error: any Error, _ invoker: Invoker) {
        switch error {
        case InvokeFailure.refused(let code, let words):
            if kick == nil { kick = code == .superseded ? .superseded : code == .notAuthenticated ? code : nil }
            note(.refused(TunnelRefusal(code, words)))
        case let refusal as TunnelRefusal: note(.refused(refusal))
        default: break  // The connection has ended, and says so itself.
        }
        invoker.close(.refused)
    }

    private func readList(_ invoker: Invoker) {
        invoker.invoke(TunnelNode.Path.list) { [weak self] result in
            guard let self else { return }
            do {
                guard case .array(let list) = try MemberReader.json(result.get().body) else {
                    throw TunnelRefusal(.failed, "the list of rules is no list")
                }
                listeners.set(try list.map { try TunnelRule($0) })
            } catch { refused(error, invoker) }
        }
    }

    private func addRoutes() {
        routes.oneWay(TunnelNode.Path.kick) { [weak self] request, _ in
            guard let self else { return }
            let code = InvokeCode(Int(request.headers["Code"] ?? "") ?? InvokeCode.superseded.number)
            kick = code
            if code == .superseded { note(.kicked(request.headers["Message"] ?? "")) }
        }
        routes.oneWay(TunnelNode.Path.listenAdd) { [weak self] request, _ in
            self?.listeners.add(try TunnelRule(MemberReader.json(request.body)))
        }
        routes.oneWay(TunnelNode.Path.listenDelete) { [weak self] request, _ in
            self?.listeners.remove(try MemberReader(request.body).text("listenAddr"))
        }
        routes.twoWay(TunnelNode.Path.probe) { [weak self] request, _, answer in
            guard let self else { return }
            try TargetProbe.begin(request, answer, for: self)
        }
        routes.oneWay(TunnelNode.Path.targetOut) { [weak self] request, _ in
            guard let self else { return }
            TargetTrip.begin(request, for: self)
        }
    }
}

extension TunnelClient: CarrierOwner {
    public func opened(_ peer: CarrierPeer) {
        guard let invoker = peer.invoker else { return }
        if let identity { login(identity, invoker) } else { register(invoker) }
    }

    public func lost(_ peer: CarrierPeer, _ reason: CloseReason) {
        node = nil
        if let beat = exchange(&beat, with: nil) { loop.cancel(beat) }
        again(after: reason)
    }

    /// Nodes ask on the command connection, and wait to be dialled.
    public func accept(_ stream: Link, from peer: CarrierPeer) -> (any LinkHandler)? { nil }
}

extension TunnelClient: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Token.retry {
            retry = nil
            return connect()
        }
        beat = nil
        guard let invoker = carrier.peer.invoker, isLoggedIn else { return }
        invoker.invoke(TunnelNode.Path.heartbeat) { [weak self] result in
            guard let self, carrier.peer.invoker === invoker else { return }
            if case .failure = result { return invoker.close(.peerLost.with("the node does not answer")) }
            beat = loop.after(heartbeat, self, token: Token.beat)
        }
    }
}
