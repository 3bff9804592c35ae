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
        routes.post("/api/actions/:name", body: .whole(upTo: 64 << 10)) { exchange in
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
        guard let secret = Self.cookie(of: exchange), let role = sessions.role(of: secret, at: exchange.loop.now) else {
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
        let role = Self.cookie(of: exchange).flatMap { sessions.role(of: $0, at: exchange.loop.now) }
        let actions = console.actions.map { action -> JSON in
            ["name": .string(action.name), "fields": .array(action.fields.map { .string($0) })]
        }
        Self.answer(
            exchange,
            [
                "version": .string(version), "role": .string(role?.rawValue ?? ""),
                "views": .array(console.views.map { .string($0.name) }), "actions": .array(actions),
            ])
    }

    nonisolated(nonsending) private func showView(_ exchange: HTTPExchange) async {
        guard let view = console.views.first(where: { $0.name == exchange["name"] }) else {
            return refuse(exchange, .notFound, "there is no such view")
        }
        Self.answer(exchange, Self.json(await view.read()))
    }

    private static func json(_ report: AdminReport) -> JSON {
        let figures = report.figures.map { JSON.array([.string($0.name), .string($0.value)]) }
        let tables = report.tables.map { table -> JSON in
            let rows = table.rows.map { row -> JSON in
                ["key": .string(row.key), "cells": .array(row.cells.map { .string($0) })]
            }
            return [
                "name": .string(table.name), "columns": .array(table.columns.map { .string($0) }),
                "rows": .array(rows), "count": JSON(table.count),
                "actions": .array(table.actions.map { .string($0) }),
            ]
        }
        return ["figures": .array(figures), "tables": .array(tables)]
    }

    private func showEvents(_ exchange: HTTPExchange) {
        let lines = Log.shared.tail.lines.map { line -> JSON in
            ["number": JSON(line.number), "level": .string("\(line.level)"), "text": .string(line.text)]
        }
        Self.answer(exchange, ["events": .array(lines)])
    }

    // MARK: What is done

    nonisolated(nonsending) private func act(_ exchange: HTTPExchange) async {
        guard let action = console.actions.first(where: { $0.name == exchange["name"] }) else {
            return refuse(exchange, .notFound, "there is no such action")
        }
        guard case .object(let members)? = try? JSON.Reader.json5.read(exchange.body) else {
            return refuse(exchange, .badRequest, "send an object with the fields \(action.fields)")
        }
        var fields: [String: String] = [:]
        for field in action.fields {
            guard case .string(let text)? = members[field] else {
                return refuse(exchange, .badRequest, "the field \(field) is missing; it is a text")
            }
            fields[field] = text
        }
        // The audit log: what was done, to what, and from where.
        Log.shared.notice(
            "operator acts", ["action": action.name, "fields": "\(fields)", "peer": "\(exchange.peer)"])
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
