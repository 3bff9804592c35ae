import OmniwayAdmin
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// The dashboard of two loops that do nothing, and somebody who asks it.
private struct Desk {
    let admin: Admin
    let client: LoopBound<HTTPClient>

    static func with(_ body: (Desk) async throws -> Void) async throws {
        let (loops, elsewhere) = (EventLoops(count: 2), EventLoop())
        let admin = try await Admin(at: .loopback(), of: loops, version: "1.2.3")
        admin.console.add(
            AdminView("shop") {
                AdminReport(
                    figures: [("open", "yes")],
                    tables: [
                        AdminTable(
                            "books", ["title"], (1...501).map { AdminTable.Row("\($0)", ["book \($0)"]) },
                            actions: ["shop.sell"])
                    ])
            })
        admin.console.add(
            AdminView("shop") {
                AdminReport(
                    figures: [("tills", "2")],
                    graph: AdminGraph([("a", "door"), ("b", "till")], [("a", "b"), ("a", "nowhere")]))
            })
        admin.console.add(
            AdminAction(
                "shop.open", fields: [AdminField("key", isSecret: true), AdminField("door", choices: ["front"])]
            ) { fields in "open with \(fields["key"] ?? "")" })
        admin.console.add(
            AdminAction("shop.sell", fields: ["book", AdminField("price", usual: "10")]) { fields in
                guard fields["book"] != "0" else { throw AdminRefusal("there is no such book") }
                return "sold \(fields["book"] ?? "") for \(fields["price"] ?? "")"
            })
        let address = admin.address
        let client = await elsewhere.own { loop in
            HTTPClient(on: loop, StreamDialer(address), host: "\(address)", limits: HTTPClientLimits())
        }
        try await body(Desk(admin: admin, client: client))
        await admin.stop()
        await loops.shutdown()
        await elsewhere.shutdown()
    }

    func post(_ path: String, _ body: String, _ headers: HTTPHeaders = ["X-Omniway": "1"]) async throws -> HTTPResponse
    {
        try await client.post(path, Array(body.utf8), headers)
    }

    /// The cookie of a new session.
    func logIn(_ secret: String) async throws -> String {
        let answer = try await post("/api/login", "{\"secret\": \"\(secret)\"}")
        let cookie = try #require(answer.headers["Set-Cookie"])
        #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
        return String(cookie.prefix { $0 != ";" })
    }
}

@Suite(.timeLimit(.minutes(2))) struct DashboardTests {
    @Test func `pages are there for everybody, load nothing from elsewhere, and say nothing`() async throws {
        try await Desk.with { desk async throws in
            for path in ["/", "/dashboard.js", "/words.js", "/dashboard.css"] {
                let answer = try await desk.client.get(path)
                #expect(answer.status == .ok)
                #expect(answer.headers["Content-Security-Policy"]?.contains("default-src 'self'") == true)
                #expect(!answer.text.contains("://"), "\(path) names another place")
            }
        }
    }

    @Test func `nobody reads or does anything without a login`() async throws {
        try await Desk.with { desk async throws in
            for path in ["/api/console", "/api/views/shop", "/api/events"] {
                #expect(try await desk.client.get(path).status == .unauthorized)
                let guessed: HTTPHeaders = ["Cookie": "omniway=0123"]
                #expect(try await desk.client.get(path, guessed).status == .unauthorized)
            }
            #expect(try await desk.post("/api/actions/shop.sell", "{}").status == .unauthorized)
        }
    }

    @Test func `a login link is good once, and a secret of the file for ever`() async throws {
        try await Desk.with { desk async throws in
            let secret = await desk.admin.makeLogin()
            _ = try await desk.logIn(secret)
            #expect(try await desk.post("/api/login", "{\"secret\": \"\(secret)\"}").status == .unauthorized)
            await desk.admin.allow([Secret("open sesame")])
            _ = try await desk.logIn("open sesame")
            _ = try await desk.logIn("open sesame")
        }
    }

    @Test func `after ten wrong secrets in a minute right ones are refused too`() async throws {
        try await Desk.with { desk async throws in
            await desk.admin.allow([Secret("right")])
            for _ in 0..<10 {
                #expect(try await desk.post("/api/login", "{\"secret\": \"wrong\"}").status == .unauthorized)
            }
            #expect(try await desk.post("/api/login", "{\"secret\": \"right\"}").status == .tooManyRequests)
        }
    }

    @Test func `a view has figures and tables, of long ones the beginning, and the console names what may be done`()
        async throws
    {
        try await Desk.with { desk async throws in
            let session: HTTPHeaders = ["Cookie": try await desk.logIn(await desk.admin.makeLogin())]
            let console = try JSON.Reader.json5.read(try await desk.client.get("/api/console", session).text)
            #expect(console["role"] == "operate" && console["views"] == ["shop", "frames"])
            let sale = try console["actions"]?.array().first { $0["name"] == "shop.sell" }
            #expect(
                sale?["fields"] == [
                    ["name": "book", "usual": "", "choices": [], "secret": false],
                    ["name": "price", "usual": "10", "choices": [], "secret": false],
                ])
            let shop = try JSON.Reader.json5.read(try await desk.client.get("/api/views/shop", session).text)
            // Two parts have something to say here.
            #expect(shop["figures"] == [["open", "yes"], ["tills", "2"]])
            #expect(
                shop["graph"] == [
                    "nodes": [["id": "a", "label": "door"], ["id": "b", "label": "till"]], "edges": [["a", "b"]],
                    "count": 2,
                ])
            let books = try #require(shop["tables"]?[0])
            #expect(books["count"] == 501 && books["actions"] == ["shop.sell"])
            #expect(try books["rows"]?.array().count == 500)
            #expect(books["rows"]?[0] == ["key": "1", "cells": ["book 1"]])
            #expect(try await desk.client.get("/api/views/else", session).status == .notFound)
        }
    }

    @Test func `an action gets its fields, and its refusal reaches the operator`() async throws {
        try await Desk.with { desk async throws in
            let cookie = try await desk.logIn(await desk.admin.makeLogin())
            let headers: HTTPHeaders = ["Cookie": cookie, "X-Omniway": "1"]
            func act(_ body: String) async throws -> HTTPResponse {
                try await desk.post("/api/actions/shop.sell", body, headers)
            }
            #expect(try await act("{\"book\": \"7\", \"price\": \"3\"}").text == "{\"said\":\"sold 7 for 3\"}")
            let refused = try await act("{\"book\": \"0\", \"price\": \"3\"}")
            #expect(refused.status == .unprocessableContent && refused.text == "{\"error\":\"there is no such book\"}")
            for body in ["", "[]", "{}", "{\"book\": \"7\"}", "{\"book\": 7, \"price\": \"3\"}"] {
                #expect(try await act(body).status == .badRequest)
            }
            #expect(try await desk.post("/api/actions/shop.burn", "{}", headers).status == .notFound)
        }
    }

    @Test func `what may be chosen is checked, and a secret is not logged`() async throws {
        try await Desk.with { desk async throws in
            let cookie = try await desk.logIn(await desk.admin.makeLogin())
            let headers: HTTPHeaders = ["Cookie": cookie, "X-Omniway": "1"]
            let right = "{\"key\": \"xyzzy\", \"door\": \"front\"}"
            #expect(try await desk.post("/api/actions/shop.open", right, headers).text.contains("open with xyzzy"))
            let wrong = "{\"key\": \"xyzzy\", \"door\": \"back\"}"
            #expect(try await desk.post("/api/actions/shop.open", wrong, headers).status == .badRequest)
            Log.shared.flush()
            let events = try await desk.client.get("/api/events", headers).text
            #expect(events.contains(#"action=shop.open fields=\"door=front\""#) && !events.contains("xyzzy"))
        }
    }

    @Test func `other pages of a browser do nothing with its session`() async throws {
        try await Desk.with { desk async throws in
            let cookie = try await desk.logIn(await desk.admin.makeLogin())
            let sale = "{\"book\": \"7\", \"price\": \"3\"}"
            let bare: HTTPHeaders = ["Cookie": cookie]
            #expect(try await desk.post("/api/actions/shop.sell", sale, bare).status == .forbidden)
            let foreign: HTTPHeaders = ["Cookie": cookie, "X-Omniway": "1", "Origin": "https://elsewhere.example"]
            #expect(try await desk.post("/api/actions/shop.sell", sale, foreign).status == .forbidden)
            let own: HTTPHeaders = ["Cookie": cookie, "X-Omniway": "1", "Origin": "http://\(desk.admin.address)"]
            #expect(try await desk.post("/api/actions/shop.sell", sale, own).status == .ok)
        }
    }

    @Test func `who only looks changes nothing, and who has logged out does not look either`() async throws {
        try await Desk.with { desk async throws in
            await desk.admin.allow([Secret("operator"), Secret("guest")])
            let headers: HTTPHeaders = ["Cookie": try await desk.logIn("guest"), "X-Omniway": "1"]
            #expect(try await desk.client.get("/api/views/shop", headers).status == .ok)
            let console = try JSON.Reader.json5.read(try await desk.client.get("/api/console", headers).text)
            #expect(console["views"] == ["shop"])
            #expect(try await desk.client.get("/api/views/frames", headers).status == .forbidden)
            let sale = "{\"book\": \"7\", \"price\": \"3\"}"
            #expect(try await desk.post("/api/actions/shop.sell", sale, headers).status == .forbidden)
            #expect(try await desk.post("/api/logout", "{}", headers).status == .ok)
            #expect(try await desk.client.get("/api/views/shop", headers).status == .unauthorized)
        }
    }

    @Test func `events are the last lines of the log, and what operators do is among them`() async throws {
        try await Desk.with { desk async throws in
            let headers: HTTPHeaders = [
                "Cookie": try await desk.logIn(await desk.admin.makeLogin()), "X-Omniway": "1",
            ]
            _ = try await desk.post("/api/actions/shop.sell", "{\"book\": \"8\", \"price\": \"4\"}", headers)
            Log.shared.flush()
            let events = try await desk.client.get("/api/events", headers).text
            #expect(events.contains("operator acts action=shop.sell"))
        }
    }

    @Test func `events are filtered by level, by text and by number`() async throws {
        try await Desk.with { desk async throws in
            let headers: HTTPHeaders = ["Cookie": try await desk.logIn(await desk.admin.makeLogin())]
            func events(_ query: String) async throws -> [JSON] {
                let text = try await desk.client.get("/api/events?\(query)", headers).text
                return try JSON.Reader.json5.read(text)["events"]?.array() ?? []
            }
            let mark = "mark-\(desk.admin.address.port)"
            Log.shared.notice("seen", ["mark": mark])
            Log.shared.warning("seen", ["mark": mark])
            Log.shared.flush()
            let both = try await events("text=\(mark)")
            #expect(both.map { $0["level"] } == ["notice", "warning"])
            #expect(try await events("text=\(mark)&level=warning").map { $0["level"] } == ["warning"])
            let first = try #require(try both.first?["number"]?.int())
            #expect(try await events("text=\(mark)&after=\(first)").count == 1)
            for query in ["level=loud", "after=x"] {
                #expect(try await desk.client.get("/api/events?\(query)", headers).status == .badRequest)
            }
        }
    }
}
