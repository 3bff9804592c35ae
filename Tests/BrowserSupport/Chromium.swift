import OmniwayTesting
package import OmniwayTransport
package import OmniwayWire

/// A real Chromium without a window, driven over its debugging protocol by our own WebSocket client.
package actor Chromium {
    private let program: TestProgram
    private let profile: TemporaryFolder
    private let messages: AsyncStream<[UInt8]>
    private let link: LoopBound<BrowserLink>
    private var lastCall = 0
    /// What came without being asked for.
    private var events: [JSON] = []

    package init(on loop: EventLoop) async throws {
        profile = try TemporaryFolder()
        let marker = "DevTools listening on ws://"
        program = try await TestProgram(
            [
                "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--no-proxy-server", "--remote-debugging-port=0",
                "--user-data-dir=\(profile.file("profile"))", "about:blank",
            ], within: .seconds(60), until: { $0.hasPrefix(marker) })
        let place = await program.lines.first(where: { $0.hasPrefix(marker) })?.dropFirst(marker.count) ?? ""
        let host = place.prefix { $0 != "/" }
        guard let address = SocketAddress(String(host)) else { throw BrowserError.said(String(place)) }
        let webSocket = WebSocket(path: String(place.dropFirst(host.count)), maxMessageSize: 64 << 20)
        let (messages, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        self.messages = messages
        link = await loop.own { loop in BrowserLink(webSocket.over(StreamDialer(address)), loop, continuation) }
    }

    /// Opens a page, in a window of that width if there is one, and gives what the expression there comes to once it is
    /// loaded.
    package func result(of expression: String, at url: String, width: Int? = nil) async throws -> JSON {
        let target = try await call("Target.createTarget", ["url": "about:blank"]).require("targetId")
        let session = try await call("Target.attachToTarget", ["targetId": target, "flatten": true])
            .require("sessionId")
        _ = try await call("Page.enable", [:], in: session)
        if let width {
            let metrics: JSON = ["width": JSON(width), "height": 800, "deviceScaleFactor": 1, "mobile": false]
            _ = try await call("Emulation.setDeviceMetricsOverride", metrics, in: session)
        }
        events = []
        _ = try await call("Page.navigate", ["url": .string(url)], in: session)
        while !events.contains(where: { $0["method"] == "Page.loadEventFired" && $0["sessionId"] == session }) {
            events.append(try await nextMessage())
        }
        let answer = try await call(
            "Runtime.evaluate",
            ["expression": .string(expression), "awaitPromise": true, "returnByValue": true], in: session)
        if let exception = answer["exceptionDetails"] { throw BrowserError.said("\(exception)") }
        _ = try await call("Target.closeTarget", ["targetId": target])
        return try answer.require("result").require("value")
    }

    private func call(_ method: String, _ parameters: JSON, in session: JSON? = nil) async throws -> JSON {
        lastCall += 1
        let id = JSON(lastCall)
        var message: JSON.Object = ["id": id, "method": .string(method), "params": parameters]
        if let session { message["sessionId"] = session }
        let bytes = JSON.Writer().bytes(of: .object(message))
        await link.run { _, link in link.send(bytes) }
        while true {
            let answer = try await nextMessage()
            guard answer["id"] == id else {
                events.append(answer)
                continue
            }
            if let error = answer["error"] { throw BrowserError.said("\(method): \(error)") }
            return try answer.require("result")
        }
    }

    private func nextMessage() async throws -> JSON {
        for await message in messages { return try JSON.Reader().read(message) }
        throw BrowserError.said("its debugging connection has ended")
    }

    package func close() async {
        await link.run { _, link in link.close() }
        await link.release()
        await program.stop()
    }
}

package enum BrowserError: Error { case said(String) }

extension JSON {
    fileprivate func require(_ key: String) throws -> JSON {
        guard let value = self[key] else { throw BrowserError.said("there is no \(key) in \(self)") }
        return value
    }
}

/// The browser's end of its debugging protocol: whole messages, as texts.
private final class BrowserLink: LinkHandler {
    private let messages: AsyncStream<[UInt8]>.Continuation
    private var message: [UInt8] = []
    private var link: Link?

    init(_ dialer: some Dialer, _ loop: Loop, _ messages: AsyncStream<[UInt8]>.Continuation) {
        self.messages = messages
        link = dialer.dial(on: loop, deadline: .seconds(10), handler: self)
        link?.outgoingKind = .text
    }

    func send(_ bytes: [UInt8]) { link?.write(bytes) }
    func close() { link?.close(.done) }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        message += unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        if endOfMessage { messages.yield(exchange(&message, with: [])) }
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        messages.finish()
    }
}
