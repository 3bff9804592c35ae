import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The dashboard's pages and the interface behind them: who is logged in reads views and does what is offered.
///
/// A browser sends the cookie of a session by itself; what changes something also needs a header that no foreign page
/// can send, and comes from the page's own origin.
final class AdminAPI {
    private let console: AdminConsole
    private let version: String
    private var sessions = AdminSessions()

    init(_ console: AdminConsole, version: String) { (self.console, self.version) = (console, version) }

    func makeLogin() -> String { sessions.makeLogin() }
    func allow(_ secret: Secret, _ role: AdminSessions.Role) { sessions.allow(secret.revealed, role, isOnce: false) }

    func addRoutes(to routes: inout HTTPRoutes) {
        let pages: [(String, [UInt8], String)] = [
            ("/", PackageResources.dashboard_html, "text/html; charset=utf-8"),
            ("/dashboard.js", PackageResources.dashboard_js, "text/javascript; charset=utf-8"),
            ("/words.js", PackageResources.words_js, "text/javascript; charset=utf-8"),
            ("/dashboard.css", PackageResources.dashboard_css, "text/css; charset=utf-8"),
        ]
        for (path, content, type) in pages {
            routes.get(path) { exchange in exchange.respond(.ok, content, Self.headers(type)) }
        }
        routes.post("/api/login", body: .whole(upTo: 4096)) { [self] exchange in logIn(exchange) }
        routes.post("/api/logout", body: .whole(upTo: 4096)) { [self] exchange in
            guard allows(exchange, .view) else { return }
            if let secret = Self.cookie(of: exchange) { sessions.logOut(secret) }
            Self.answer(exchange, [:])
        }
        routes.get("/api/console") { [self] exchange in if allows(exchange, .view) { showConsole(exchange) } }
        let api = self
        routes.get("/api/views/:name") { exchange in
            if api.allows(exchange, .view) { await api.showView(exchange) }
        }
        routes.get("/api/events") { [self] exchange in if allows(exchange, .view) { showEvents(exchange) } }
        // As much as a push to many users has.
        routes.post("/api/actions/:name", body: .whole(upTo: 1 << 20)) { exchange in
            if api.allows(exchange, .operate) { await api.act(exchange) }
        }
    }

    // MARK: Who asks

    private func logIn(_ exchange: HTTPExchange) {
        guard isOurOwn(exchange) else { return refuse(exchange, .forbidden, "this comes from another page") }
        guard case .string(let secret)? = try? JSON.Reader.json5.read(exchange.body)["secret"] else {
            return refuse(exchange, .badRequest, "send { \"secret\": ... }")
        }
        do throws(AdminSessions.LoginError) {
            let session = try sessions.logIn(with: secret, at: exchange.loop.now)
            Log.shared.notice("operator logged in", ["peer": "\(exchange.peer)"])
            let cookie = "\(Self.cookieName)=\(session); Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"
            Self.answer(exchange, [:], cookie: cookie)
        } catch {
            Log.shared.warning("login refused", ["peer": "\(exchange.peer)"])
            switch error {
            case .wrong:
                refuse(exchange, .unauthorized, "this secret is not, or no longer, good; start the node for another")
            case .tooOften: refuse(exchange, .tooManyRequests, "too many wrong secrets; wait a minute")
            }
        }
    }

    /// Whether who asks may; otherwise he is answered.
    private func allows(_ exchange: HTTPExchange, _ wanted: AdminSessions.Role) -> Bool {
        guard let role = role(of: exchange) else {
            refuse(exchange, .unauthorized, "log in first")
            return false
        }
        if exchange.request.method == .post, !isOurOwn(exchange) {
            refuse(exchange, .forbidden, "this comes from another page")
            return false
        }
        if wanted == .operate, role != .operate {
            refuse(exchange, .forbidden, "you may look, and change nothing")
            return false
        }
        return true
    }

    private func role(of exchange: HTTPExchange) -> AdminSessions.Role? {
        Self.cookie(of: exchange).flatMap { sessions.role(of: $0, at: exchange.loop.now) }
    }

    /// Whether a page of ours sent it: the header cannot be sent by another one without being asked first.
    private func isOurOwn(_ exchange: HTTPExchange) -> Bool {
        let headers = exchange.request.headers
        guard headers["X-Omniway"] != nil else { return false }
        guard let origin = headers["Origin"] else { return true }
        return origin.split(separator: "/").last.map(String.init) == headers["Host"]
    }

    private static let cookieName = "omniway"

    private static func cookie(of exchange: HTTPExchange) -> String? {
        let pairs = exchange.request.headers["Cookie"]?.split(separator: ";") ?? []
        return pairs.lazy.map { $0.drop { $0 == " " } }.first { $0.hasPrefix("\(cookieName)=") }
            .map { String($0.dropFirst(cookieName.count + 1)) }
    }

    // MARK: What is shown

    private func showConsole(_ exchange: HTTPExchange) {
        guard let role = role(of: exchange) else { return }
        let actions = console.actions.map { action -> JSON in
            ["name": .string(action.name), "fields": .array(action.fields.map(\.json))]
        }
        Self.answer(
            exchange,
            [
                "version": .string(version), "role": .string(role.rawValue),
                "views": .array(console.pages(for: role).map { .string($0) }), "actions": .array(actions),
            ])
    }

    nonisolated(nonsending) private func showView(_ exchange: HTTPExchange) async {
        let views = console.views(named: exchange["name"] ?? "")
        guard !views.isEmpty else { return refuse(exchange, .notFound, "there is no such view") }
        if role(of: exchange) != .operate, views.contains(where: \.isForOperators) {
            return refuse(exchange, .forbidden, "this is for operators")
        }
        var report = AdminReport()
        for view in views { report.add(await view.read()) }
        Self.answer(exchange, report.json)
    }

    /// The last lines of the log: `?level=warning` for those that matter so much, `?text=` for those that have it,
    /// `?after=` for those behind a number.
    private func showEvents(_ exchange: HTTPExchange) {
        let request = exchange.request
        let level = request.queryValue("level").map { LogLevel($0) } ?? .debug
        let after = request.queryValue("after").map { Int($0) } ?? 0
        guard let level, let after else {
            let levels = LogLevel.allCases.map(\.description).joined(separator: ", ")
            return refuse(exchange, .badRequest, "level is one of \(levels), and after is a number")
        }
        let text = request.queryValue("text") ?? ""
        let lines = Log.shared.tail.lines.lazy.filter { line in
            line.level >= level && line.number > after && (text.isEmpty || line.text.contains(text))
        }.map { line -> JSON in
            ["number": JSON(line.number), "level": .string("\(line.level)"), "text": .string(line.text)]
        }
        Self.answer(exchange, ["events": .array(Array(lines))])
    }

    // MARK: What is done

    nonisolated(nonsending) private func act(_ exchange: HTTPExchange) async {
        guard let action = console.actions.first(where: { $0.name == exchange["name"] }) else {
            return refuse(exchange, .notFound, "there is no such action")
        }
        guard case .object(let members)? = try? JSON.Reader.json5.read(exchange.body) else {
            return refuse(exchange, .badRequest, "send an object with the fields \(action.fields.map(\.name))")
        }
        var fields: [String: String] = [:]
        for field in action.fields {
            guard case .string(let text)? = members[field.name] else {
                return refuse(exchange, .badRequest, "the field \(field.name) is missing; it is a text")
            }
            guard field.choices.isEmpty || field.choices.contains(text) else {
                return refuse(exchange, .badRequest, "\(field.name) is one of \(field.choices)")
            }
            fields[field.name] = text
        }
        // The audit log: what was done, to what, and from where.
        let told = action.fields.filter { !$0.isSecret }.map { "\($0.name)=\(fields[$0.name] ?? "")" }
        Log.shared.notice(
            "operator acts",
            ["action": action.name, "fields": told.joined(separator: " "), "peer": "\(exchange.peer)"])
        do {
            Self.answer(exchange, ["said": .string(try await action.run(fields))])
        } catch { refuse(exchange, .unprocessableContent, "\(error)") }
    }

    private static func headers(_ type: String) -> HTTPHeaders {
        [
            "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy":
                "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ]
    }

    private static func answer(_ exchange: HTTPExchange, _ json: JSON, cookie: String? = nil) {
        var headers = headers("application/json")
        if let cookie { headers.add("Set-Cookie", cookie) }
        exchange.respond(.ok, JSON.Writer().bytes(of: json), headers)
    }

    private func refuse(_ exchange: HTTPExchange, _ status: HTTPStatus, _ words: String) {
        let json: JSON = ["error": .string(words)]
        exchange.respond(status, JSON.Writer().bytes(of: json), Self.headers("application/json"))
    }
}
