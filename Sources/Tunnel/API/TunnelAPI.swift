import OmniwayCluster
import OmniwayCrypto
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// How long tokens hold and how often the HTTP interface may be asked.
public struct TunnelAPISettings: Sendable {
    public var tokenLife = Duration.seconds(3600)
    /// Wrong secrets from one address.
    public var wrongLogins = RateLimit(10, in: .seconds(60))
    /// Requests of one caller.
    public var requests = RateLimit(600, in: .seconds(60))
    /// What an administrator logs in with; empty for none.
    public var adminKey = ""
    public init() {}
}

/// The HTTP interface of a node: a program that has a client's id and token manages that client's rules.
final class TunnelAPI {
    typealias Answer = (Result<JSON, TunnelRefusal>) -> Void
    typealias Work = (TunnelAPI, TunnelTokens.Caller, HTTPExchange, @escaping Answer) throws(TunnelRefusal) -> Void

    let node: TunnelNode
    let settings: TunnelAPISettings
    private let tokens: TunnelTokens
    private var wrongLogins: RateTable
    private var requests: RateTable
    static let largestBody = 64 << 10

    init(of node: TunnelNode, _ settings: TunnelAPISettings) {
        (self.node, self.settings) = (node, settings)
        tokens = TunnelTokens(node.registry, life: settings.tokenLife)
        (wrongLogins, requests) = (RateTable(settings.wrongLogins), RateTable(settings.requests))
    }

    var routes: HTTPRoutes {
        var routes = HTTPRoutes()
        routes.get("/_zhangyu/healthz") { exchange in exchange.respond(.ok, "ok\n") }
        routes.get("/_zhangyu/readyz") { [self] exchange in
            let isReady = node.isReady && !node.isDraining
            let troubles = node.health.troubles().map { "degraded: \($0)\n" }.joined()
            exchange.respond(
                isReady ? .ok : .serviceUnavailable, isReady ? "ready\n" + troubles : "not ready\n")
        }
        routes.post("/_zhangyu/auth/login") { [self] in logIn($0) }
        routes.get("/_zhangyu/metrics") { [self] exchange in
            check(exchange) { [node] caller in
                guard caller == .admin else { return Self.refuse(exchange, Self.forAdmins) }
                exchange.respond(
                    .ok, node.loop.meters.snapshot().prometheusText,
                    ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"])
            }
        }
        addClientRoutes(to: &routes)
        return routes
    }

    /// A route whose caller is known, and whose answer is JSON.
    func on(_ method: HTTPMethod, _ pattern: String, _ work: @escaping Work, in routes: inout HTTPRoutes) {
        routes.on(method, "/_zhangyu/\(pattern)") { [self] exchange in
            check(exchange) { [self] caller in
                do throws(TunnelRefusal) {
                    guard node.isReady else { throw TunnelRefusal(.offline, "the node is not ready; try again") }
                    try work(self, caller, exchange) { Self.answer(exchange, $0) }
                } catch { Self.refuse(exchange, error) }
            }
        }
    }

    // MARK: Who it is

    private func logIn(_ exchange: HTTPExchange) {
        let source = exchange.peer.host.description
        // Counted before it is known whether it was right, so that many at once are no more than one by one.
        guard wrongLogins.take(source, at: node.loop.now) else {
            let words = "too many wrong logins from there; try again in \(settings.wrongLogins.window)"
            return Self.refuse(exchange, TunnelRefusal(.tooMany, words), again: settings.wrongLogins.window)
        }
        do throws(TunnelRefusal) {
            let reader = try MemberReader(exchange.bodyText)
            let (client, token) = (try reader.text("clientId"), try reader.text("token"))
            let (app, secret) = (try reader.text("appId"), try reader.text("secret"))
            if client.isEmpty, !app.isEmpty {
                guard !settings.adminKey.isEmpty, Secret.isEqual(secret, settings.adminKey) else {
                    throw TunnelRefusal(.notAuthenticated, "no such application, or not its secret")
                }
                return give(.admin, source, exchange)
            }
            node.book.check(client, token: token) { [self] result in
                switch result {
                case .failure(let refusal): Self.refuse(exchange, refusal)
                case .success(let tunnel): give(.client(id: client, tunnel: tunnel), source, exchange)
                }
            }
        } catch { Self.refuse(exchange, error) }
    }

    private func give(_ caller: TunnelTokens.Caller, _ source: String, _ exchange: HTTPExchange) {
        wrongLogins.giveBack(source)
        tokens.withKey { [self] result in
            Self.answer(exchange, result.map { ["tokenString": .string(tokens.token(for: caller, key: $0))] })
        }
    }

    /// Nothing but the token says who it is: what a caller writes into other fields is not looked at.
    private func check(_ exchange: HTTPExchange, _ then: @escaping (TunnelTokens.Caller) -> Void) {
        guard let token = Self.token(of: exchange.request.headers) else {
            let words = "log in at /_zhangyu/auth/login, and send the token as Authorization: Bearer"
            return Self.refuse(exchange, TunnelRefusal(.notAuthenticated, words))
        }
        tokens.withKey { [self] result in
            switch result {
            case .failure(let refusal): return Self.refuse(exchange, refusal)
            case .success(let key):
                let caller: TunnelTokens.Caller
                do throws(WebTokenError) { caller = try tokens.caller(token, key: key) } catch {
                    return Self.refuse(exchange, TunnelRefusal(.notAuthenticated, error.description))
                }
                guard requests.take("\(caller)", at: node.loop.now) else {
                    let words = "too many requests; try again in \(settings.requests.window)"
                    return Self.refuse(exchange, TunnelRefusal(.tooMany, words), again: settings.requests.window)
                }
                then(caller)
            }
        }
    }

    /// The usual field, or that of the original.
    private static func token(of headers: HTTPHeaders) -> String? {
        if let field = headers["authorization"] {
            let parts = field.split(separator: " ", omittingEmptySubsequences: true)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : nil
        }
        return headers["jwttoken"]
    }

    // MARK: Answers

    static let forAdmins = TunnelRefusal(.forbidden, "only administrators may; see --admin-key-file of omniway node")

    static func answer(_ exchange: HTTPExchange, _ result: Result<JSON, TunnelRefusal>) {
        switch result {
        case .failure(let refusal): refuse(exchange, refusal)
        case .success(let data):
            let body: JSON = ["status": "success", "data": data]
            exchange.respond(.ok, body.text, json)
        }
    }

    static func refuse(_ exchange: HTTPExchange, _ refusal: TunnelRefusal, again: Duration? = nil) {
        let body: JSON = ["status": "error", "message": .string(refusal.words)]
        var headers = json
        if let again { headers.add("Retry-After", String(again.components.seconds)) }
        if refusal.code == .notAuthenticated { headers.add("WWW-Authenticate", "Bearer") }
        exchange.respond(status(of: refusal.code), body.text, headers)
    }

    private static let json: HTTPHeaders = ["Content-Type": "application/json"]

    private static func status(of code: InvokeCode) -> HTTPStatus {
        switch code {
        case .timedOut, .unreachable: .gatewayTimeout
        case .superseded: .conflict
        case .tooLarge: .contentTooLarge
        case .failed, .notAuthenticated, .forbidden, .notFound, .tooMany, .offline: HTTPStatus(code.number)
        default: .internalServerError
        }
    }
}
