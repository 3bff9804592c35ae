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
        // What the page itself is answered, the last time and the time before: numbers change from one to the next.
        const answers = { now: {}, before: {} }
        const fetchAnswer = window.fetch
        window.fetch = async (path, options) => {
            const answer = await fetchAnswer(path, options)
            const view = path.split(/[/?]/)[path.includes("views") ? 3 : 2]
            answers.before[view] = answers.now[view]
            answers.now[view] = await answer.clone().json()
            return answer
        }
        const { words } = await import("/words.js")
        const say = (text) => words.en[text] ?? text
        const same = (a, b) => JSON.stringify(a) == JSON.stringify(b)
        // The one column that the page adds is how fast totals have risen since the last answer.
        const rate = 3
        const cellsOf = ({ cells }, { name, columns }) => [...cells].map(({ textContent }) => textContent)
            .filter((_, index) => name != "meters" || index != rate).slice(0, columns.length)
        const hasRate = (line, { key, cells: [name, , value] }, before) => {
            if (!before) return false
            const earlier = before.rows.find((row) => row.key == key)?.cells[2]
            const shown = line.cells[rate].textContent
            if (!name.endsWith("_total")) return shown == ""
            if (earlier === undefined) return shown == ""
            return value == earlier ? shown == "0.0" : Number(shown) >= 0
        }
        const showsTable = (shown, table, before) => {
            const lines = [...shown.tBodies[0].rows]
            return shown.dataset.table == table.name
                && same(cellsOf(shown.tHead.rows[0], table), table.columns.map(say))
                && same(lines.map((line) => cellsOf(line, table)), table.rows.map(({ cells }) => cells))
                && (table.name != "meters" || lines.every((line, index) => hasRate(line, table.rows[index], before)))
        }
        const shows = (view) => {
            const [answer, before] = [answers.now[view], answers.before[view]]
            if (!answer) return false
            // The newest one is the first to be read.
            if (view == "events") return same(texts("#view pre"), answer.events.map(({ text }) => text).reverse())
            const shown = all("#view table")
            return same(texts(".figures span"), answer.figures.map(([name]) => say(name)))
                && same(texts(".figures b"), answer.figures.map(([_, value]) => value))
                && same(texts("svg [data-node] text"), answer.graph?.nodes.map(({ label }) => label) ?? [])
                && all("svg line").length == (answer.graph?.edges.length ?? 0)
                && shown.length == answer.tables.length
                && answer.tables.every((table, index) => showsTable(shown[index], table, before?.tables.at(-1)))
        }
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
                        const views = all("nav button").map(({ dataset }) => dataset.view)
                        for (const view of views) {
                            await go(view)
                            await until(() => shows(view))
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
                await until(() => all("#view table").length == 2 && shows("frames"))
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
