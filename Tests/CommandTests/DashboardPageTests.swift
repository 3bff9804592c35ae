import BrowserSupport
import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

private struct Join: Codable { let name: String }
private struct Members: Codable { let names: [String] }

/// A whole node with somebody in its room and a device at its tunnel, and a browser at its dashboard.
private struct Stage {
    let node: WholeNode
    let loop = EventLoop()
    let browser: Chromium
    let luda: AppClient
    let expose: TestProgram
    let page: String
    let login: String

    static func with(_ body: (Stage) async throws -> Void) async throws {
        let stage = try await Stage()
        try await body(stage)
        await stage.browser.close()
        await stage.loop.shutdown()
        #expect(await stage.expose.stop() == 0)
        #expect(await stage.node.program.stop() == 0)
    }

    private init() async throws {
        node = try await WholeNode(
            #"parts: ["gateway", "room", "tunnel", "mesh", "echo"], echo: { listen: "127.0.0.1:0" },"#)
        let hint = try #require(await node.program.lines.first { $0.contains("/#login=") })
        login = String(try #require(hint.split(separator: " ").dropFirst().first).prefix { $0 != "," })
        page = String(login.prefix { $0 != "#" })
        let room = try #require(await node.program.port("app room"))
        luda = try await AppClient(over: WebSocket().over(StreamDialer(room)), on: loop)
        let _: Members = try await luda.request("room.join", Join(name: "luda"))
        let tunnel = try #require(await node.program.lines.first { $0.contains("omniway expose") })
        let echo = try #require(await node.program.port("echo"))
        expose = try await TestProgram([
            "env", "OMNIWAY_DATA=\(node.folder.file("client"))", BuiltProduct.path("omniway"), "expose", "tcp",
            "\(echo.port)", "--node", String(tunnel.split(separator: " ").last ?? ""),
        ]) { $0.hasPrefix("address ") }
        browser = try await Chromium(on: loop)
    }

    /// What follows a word at the beginning of a line of the exposure.
    func told(_ word: String) async throws -> String {
        let line = try #require(await expose.lines.first { $0.hasPrefix(word) })
        return String(line.split(separator: " ").last ?? "")
    }

    /// Logged in, at one view: what a script there comes to.
    func look(at view: String, width: Int = 1200, language: String = "en", _ script: String) async throws -> String {
        let answer = try await browser.result(
            of: "(async () => { \(Self.tools)\n await until(() => ready())\n \(script) })()",
            at: "\(page)#view=\(view)&language=\(language)", width: width)
        guard case .string(let text) = answer else { throw BrowserError.said("\(answer)") }
        return text
    }

    static let tools = """
        const find = (selector) => document.querySelector(selector)
        const all = (selector) => [...document.querySelectorAll(selector)]
        const texts = (selector) => all(selector).map(({ textContent }) => textContent)
        const said = () => find("#said")?.textContent
        const ready = () => find("#view")?.children.length && find("#state").textContent
        const until = async (isTrue) => {
            for (let tries = 0; tries < 500; tries++) {
                if (await isTrue()) return
                await new Promise((resolve) => setTimeout(resolve, 20))
            }
            throw new Error(`never true: ${isTrue}; said: ${said()}; ${find("#view")?.textContent}`)
        }
        const go = async (view) => {
            find(`nav [data-view="${view}"]`).click()
            await until(ready)
        }
        const write = (name, value) => { find(`form [name="${name}"]`).value = value }
        const act = (action) => find(`form[data-action="${action}"]`).requestSubmit()
        const press = (action, key) => find(`button[data-action="${action}"][data-key="${key}"]`).click()
        """
}

@Suite(.timeLimit(.minutes(5))) struct DashboardPageTests {
    @Test func `a browser logs in by the link, and shows of each view what the interface says`() async throws {
        try await Stage.with { stage async throws in
            let seen = try await stage.browser.result(
                of: """
                    (async () => {
                        \(Stage.tools)
                        await until(() => ready())
                        // Of these most numbers change between two questions.
                        const moves = ["overview", "frames"]
                        const cells = (table) => [...table.tBodies[0].rows].map((row) =>
                            [...row.cells].slice(0, table.tHead.rows[0].cells.length).map((cell) => cell.textContent))
                        const isSame = async (view) => {
                            const answer = await (await fetch(`/api/${view == "events" ? "" : "views/"}${view}`)).json()
                            const lines = answer.events?.map(({ text }) => text).reverse()
                            if (lines) return texts("#view pre").join() == lines.join()
                            const shown = all("#view table")
                            return shown.length == answer.tables.length
                                && all(".figures div").length == answer.figures.length
                                && all("svg [data-node]").length == (answer.graph?.nodes.length ?? 0)
                                && answer.tables.every(({ name, rows }, index) => shown[index].dataset.table == name
                                    && (moves.includes(view) || JSON.stringify(cells(shown[index]))
                                        == JSON.stringify(rows.map((row) => row.cells))))
                        }
                        const views = all("nav button").map(({ dataset }) => dataset.view)
                        for (const view of views) {
                            await go(view)
                            await until(() => isSame(view))
                        }
                        return views.join(" ")
                    })()
                    """, at: stage.login)
            #expect(seen == "overview gateway app cluster tunnel device mesh frames events")
        }
    }

    @Test func `a person gets a way to a device by its number and AuthCode, sees it work, and takes it away`()
        async throws
    {
        try await Stage.with { stage async throws in
            _ = try await stage.browser.result(of: "1", at: stage.login)
            let (number, code) = (try await stage.told("number"), try await stage.told("AuthCode"))
            let target = try await stage.told("exposed")
            let place = try await stage.look(
                at: "device",
                """
                write("tunnelId", "\(number)")
                write("authCode", "nothing")
                act("device.look")
                await until(() => said().includes("not its AuthCode"))
                write("authCode", "\(code)")
                act("device.look")
                await until(() => said().startsWith("\(number) is online from 127.0.0.1"))
                write("target", "\(target)")
                act("device.add")
                await until(() => said().startsWith("node+tcp://:"))
                const place = said().split(" ")[0]
                const row = () => all('[data-table="rules"] tbody tr').find((row) => row.cells[0].textContent == place)
                await until(() => row()?.cells[3].textContent == "ready")
                return place
                """)
            let port = try #require(place.split(separator: ":").last.flatMap { UInt16($0) })
            #expect(try PlainClient(.loopback(port: port)).ask("by hand") == "by hand")
            let left = try await stage.look(
                at: "device",
                """
                document.querySelector('button[data-action="tunnel.remove"]').click()
                await until(() => said().endsWith("is taken away") && !all('[data-table="rules"] tbody tr').length)
                return "none"
                """)
            #expect(left == "none")
            #expect(await stage.node.program.lines.contains { $0.contains("action=device.add") })
            #expect(await !stage.node.program.lines.contains { $0.contains("action=device") && $0.contains(code) })
        }
    }

    @Test func `an operator kicks a session, and shows and changes the AuthCode of a device`() async throws {
        try await Stage.with { stage async throws in
            _ = try await stage.browser.result(of: "1", at: stage.login)
            let (number, code) = (try await stage.told("number"), try await stage.told("AuthCode"))
            let codes = try await stage.look(
                at: "app",
                """
                await until(() => document.querySelector('[data-action="app.kick"][data-key="luda"]'))
                press("app.kick", "luda")
                await until(() => said() == "luda was told to leave" && !texts("#view td").includes("luda"))
                await go("tunnel")
                await until(() => document.querySelector('[data-action="tunnel.code"][data-key="\(number)"]'))
                press("tunnel.code", "\(number)")
                await until(() => said().includes("the AuthCode of"))
                const shown = said().split(" ").at(-1)
                press("tunnel.newCode", "\(number)")
                write("revoke", "yes")
                act("tunnel.newCode")
                await until(() => said().includes("from now on; rules"))
                return shown + " " + said().split(" ")[5]
                """)
            let (shown, fresh) = (codes.split(separator: " ").first, codes.split(separator: " ").last)
            #expect(shown.map(String.init) == code && fresh != shown && fresh?.utf8.count == 8)
        }
    }

    @Test func `the frames of a connection are read while it is watched`() async throws {
        try await Stage.with { stage async throws in
            _ = try await stage.browser.result(of: "1", at: stage.login)
            async let seen = stage.look(
                at: "frames",
                """
                const rows = () => all('[data-table="connections"] tbody tr')
                const row = () => rows().find(({ cells }) => cells[1].textContent == "pomelo")
                await until(row)
                row().querySelector('[data-action="frames.watch"]').click()
                act("frames.watch")
                await until(() => said().startsWith("its frames are kept"))
                await until(() => texts("td").some((text) => text.includes("room.join")))
                return texts("td").filter((text) => text.includes("room.join"))[0]
                """)
            // Again and again: nobody tells when the watch is on.
            let asking = Task {
                while !Task.isCancelled {
                    let _: Members? = try? await stage.luda.request("room.join", Join(name: "luda"))
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            let text = try await seen
            asking.cancel()
            #expect(text.hasPrefix("request ") && text.hasSuffix("room.join: {\"name\":\"luda\"}"))
        }
    }

    @Test func `every word is there in Chinese, and a narrow screen has all of it`() async throws {
        try await Stage.with { stage async throws in
            _ = try await stage.browser.result(of: "1", at: stage.login)
            let missing = try await stage.look(
                at: "overview", width: 360, language: "zh",
                """
                const missing = new Set()
                for (const view of all("nav button").map(({ dataset }) => dataset.view)) {
                    await go(view)
                    const words = [
                        ...texts("nav button, th, .figures span, h2, .hint, #view button"),
                        ...texts("form button, option, label span"),
                        ...all("#filter, #level").map((field) => field.getAttribute("aria-label")),
                    ]
                    // Names of protocols and levels of percent are the same everywhere.
                    const same = /^(99%|gateway v[12]|pomelo|invoker|mux|mesh JSON|websocket)$/
                    for (const word of words)
                        if (!/[\\u4e00-\\u9fff]/.test(word) && !same.test(word)) missing.add(`${view}: ${word}`)
                    const width = document.documentElement.scrollWidth
                    if (width > 360) missing.add(`${view} is ${width} wide`)
                }
                return [...missing].join(", ")
                """)
            #expect(missing == "")
        }
    }
}
