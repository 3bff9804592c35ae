import OmniwayTransport
import OmniwayWire

/// Names that rules have, and the ways to what they lead to.
final class WebNames {
    private unowned let node: TunnelNode
    /// The owners of the rules of each name. The registry gives it to one, or to those of one group.
    private var owners: [String: [String]] = [:]
    private var ways: [String: WebWay] = [:]
    private lazy var name = node.loop.name(self)

    init(at node: TunnelNode) { self.node = node }

    func changed(from old: TunnelRule?, to new: TunnelRule?) {
        if case .domain(let name)? = old?.listenAddress, old != new {
            owners[name]?.removeAll { $0 == old?.owner }
            if owners[name]?.isEmpty ?? false { owners[name] = nil }
            // Requests that are under way go on, unless the rule's own connections have just been ended.
            if ways[name]?.rule.name == old?.name { ways[name] = nil }
        }
        if case .domain(let name)? = new?.listenAddress, let owner = new?.owner {
            owners[name] = (owners[name] ?? []).filter { $0 != owner } + [owner]
            owners[name]?.sort()
        }
    }

    func rule(for name: String) -> TunnelRule? { owners[name]?.first.flatMap { node.rules[$0]?[.domain(name)] } }

    func close() {
        for way in exchange(&ways, with: [:]).values { way.close() }
        name.release(on: node.loop)
    }

    /// Answers requests for names of rules. With `all`, also those for other names, with a page that says so. Without,
    /// not for what is the node's own: whoever has a rule for the node's name would be given the tokens of others.
    func claim(in routes: inout HTTPRoutes, all: Bool) {
        let claims = { [weak self] (head: HTTPRequestHead) in
            if all { return true }
            return !head.path.hasPrefix("/_zhangyu/") && head.hostName.map { self?.rule(for: $0) != nil } ?? false
        }
        routes.claim(claims, body: .pieces()) { [weak self] exchange in
            guard let self else { return WebPage.answer(exchange, .serviceUnavailable) }
            visit(exchange)
        }
    }

    private func visit(_ exchange: HTTPExchange) {
        guard let name = exchange.request.hostName, let rule = rule(for: name) else {
            return WebPage.answer(exchange, .notFound)
        }
        guard rule.limits.admits(exchange.peer) else { return WebPage.answer(exchange, .forbidden) }
        if let login = rule.options.login, !exchange.request.shows(login) {
            return WebPage.answer(
                exchange, .unauthorized, ["WWW-Authenticate": "Basic realm=\"\(name)\", charset=\"UTF-8\""])
        }
        WebVisit.begin(exchange, way(to: rule, by: name), trusted: node.settings.trustedProxies)
    }

    private func way(to rule: TunnelRule, by name: String) -> WebWay {
        if let way = ways[name] { return way }
        let dialer = WebDialer(names: self.name, name: name)
        let way = WebWay(to: rule, by: name, over: dialer, on: node.loop, patience: node.settings.webPatience)
        ways[name] = way
        return way
    }

    /// A link to the target of a name.
    fileprivate func dial(_ name: String, _ handler: any LinkHandler) -> Link? {
        guard let rule = rule(for: name) else { return nil }
        let way = ways[name]
        return InProcess.within(node.loop, handler: handler) { [weak node] _ in
            node.map { RuleVisitor(of: rule, at: $0) { way?.heard($0) } }
        }
    }
}

/// Links to the target of a name, for whoever takes any dialer.
struct WebDialer: Dialer {
    let names: LoopLocal<WebNames>
    let name: String

    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link? {
        names.on(loop)?.dial(name, handler)
    }
}

/// The connections to the target of one name.
final class WebWay {
    let rule: TunnelRule
    let name: String
    private let dialer: WebDialer
    private let loop: Loop
    private let patience: Duration
    private var client: HTTPClient?
    private var waiting: [(HTTPClient?) -> Void] = []
    /// Why the last of them did not come about; nil when it did.
    private(set) var failure: InvokeCode?
    private var isClosed = false

    init(to rule: TunnelRule, by name: String, over dialer: WebDialer, on loop: Loop, patience: Duration) {
        (self.rule, self.name, self.dialer, self.loop, self.patience) = (rule, name, dialer, loop, patience)
        if rule.targetAddress.scheme != .https { client = makeClient(dialer) }
    }

    func heard(_ failure: InvokeCode?) { self.failure = failure }

    /// What requests say as their host.
    func host(for request: HTTPRequestHead) -> String {
        let asked = request.headers["host"] ?? name
        switch rule.options.host {
        case "": return rule.targetAddress.hostField ?? asked
        case "*": return asked
        default: return rule.options.host
        }
    }

    /// Nil when there is none. Certificates of authorities are read aside, since that blocks.
    func whenReady(_ then: @escaping (HTTPClient?) -> Void) {
        if client != nil || isClosed { return then(client) }
        waiting.append(then)
        guard waiting.count == 1 else { return }
        let (host, trust) = (rule.targetAddress.at.host, rule.options.trustsAnyCertificate ? TLSTrust.anybody : .system)
        loop.offLoop {
            try? TLSClient(host: host, trust: trust, protocols: ["http/1.1"])
        } _: { [weak self] made in
            guard let self else { return }
            if let tls = made ?? nil, !isClosed { client = makeClient(tls.over(dialer)) }
            for then in exchange(&waiting, with: []) { then(client) }
        }
    }

    private func makeClient(_ dialer: some Dialer) -> HTTPClient {
        let limits = HTTPClientLimits(
            message: HTTPLimits(head: 64 << 10, body: HTTPLimits.unlimitedBody), whole: nil, quiet: patience,
            idle: .seconds(90), connections: rule.limits.connections)
        return HTTPClient(on: loop, dialer, host: name, limits: limits)
    }

    func close() {
        isClosed = true
        exchange(&client, with: nil)?.close()
    }
}

extension TargetAddress {
    /// What a client of it says as its host; nil for what has none.
    fileprivate var hostField: String? {
        switch scheme {
        case .http: at.port == 80 ? HostPort.host(at.host) : at.description
        case .https: at.port == 443 ? HostPort.host(at.host) : at.description
        case .tcp, .udp, .unix, .file, .asked: nil
        }
    }
}

extension HostPort {
    fileprivate static func host(_ text: String) -> String { text.contains(":") ? "[\(text)]" : text }
}
