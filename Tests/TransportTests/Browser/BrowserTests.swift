import BrowserSupport
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// A page from our HTTP server talks over our WebSocket, in a real browser.
@Suite(.timeLimit(.minutes(3))) struct BrowserTests {
    @Test func `Chromium loads a page and exchanges texts, bytes and large messages`() async throws {
        try await withLoops { loops in
            let webSocket = WebSocket(
                subprotocols: ["echo.v1"], maxMessageSize: 4 << 20, compression: .on(above: 64))
            let servers = await loops.own { loop in Self.site(webSocket, on: loop) }
            let listening = try await StreamAcceptor(.loopback()).open(into: servers)
            let browser = try await Chromium(on: loops.loops[0])
            let outcome = try await browser.result(of: "talk()", at: "http://\(listening.address)/")
            await browser.close()
            #expect(outcome["title"] == "Omniway in a browser")
            #expect(outcome["protocol"] == "echo.v1")
            #expect(
                outcome["extensions"] == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
            #expect(outcome["text"] == "héllo, wörld ✓")
            #expect(outcome["bytes"] == [0, 1, 254, 255])
            #expect(outcome["large"] == true)
            #expect(outcome["fetched"] == "pong")
            #expect(outcome["code"] == 1000)
            #expect(outcome["clean"] == true)
        }
    }

    private static func site(_ webSocket: WebSocket, on loop: Loop) -> HTTPServer {
        let echo = MessageEcho()
        var routes = HTTPRoutes()
        routes.get("/", Array(page.utf8), type: "text/html; charset=utf-8")
        routes.get("/ping") { exchange in exchange.respond(.ok, "pong") }
        routes.get("/echo") { exchange in exchange.upgrade(to: webSocket, for: echo) }
        return HTTPServer(on: loop, routes: routes)
    }

    private static let page = """
        <!doctype html>
        <title>Omniway in a browser</title>
        <script>
        async function talk() {
            const socket = new WebSocket(location.origin.replace("http", "ws") + "/echo", ["other", "echo.v1"])
            socket.binaryType = "arraybuffer"
            const next = () => new Promise((resolve, reject) => {
                socket.onmessage = (event) => resolve(event.data)
                socket.onclose = (event) => reject(new Error("closed " + event.code))
            })
            await new Promise((resolve) => { socket.onopen = resolve })
            const outcome = {title: document.title, protocol: socket.protocol, extensions: socket.extensions}
            socket.send("héllo, wörld ✓")
            outcome.text = await next()
            socket.send(new Uint8Array([0, 1, 254, 255]))
            outcome.bytes = Array.from(new Uint8Array(await next()))
            const large = "ab✓".repeat(300000)
            socket.send(large)
            outcome.large = await next() === large
            outcome.fetched = await (await fetch("/ping")).text()
            const closed = new Promise((resolve) => { socket.onclose = resolve })
            socket.close(1000, "bye")
            const event = await closed
            outcome.code = event.code
            outcome.clean = event.wasClean
            return outcome
        }
        </script>
        """
}
