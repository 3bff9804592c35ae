import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// A real Chromium without a window, driven over its debugging protocol by our own WebSocket client.
final class Chromium {
    private let program: TestProgram
    private let profile: TemporaryFolder
    private let reports = Reports()
    private let link: LoopBound<BrowserLink>
    private var lastCall = 0
    /// What came without being asked for.
    private var events: [JSON] = []

    init(on loop: EventLoop) async throws {
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
        let reports = reports
        link = await loop.own { loop in BrowserLink(webSocket.over(StreamDialer(address)), loop, reports) }
        _ = try await reports.next("browser", .opened)
    }

    /// Opens a page, and gives what the expression there comes to once it is loaded.
    func result(of expression: String, at url: String) async throws -> JSON {
        let target = try await call("Target.createTarget", ["url": "about:blank"]).require("targetId")
        let session = try await call("Target.attachToTarget", ["targetId": target, "flatten": true])
            .require("sessionId")
        _ = try await call("Page.enable", [:], in: session)
        _ = try await call("Page.navigate", ["url": .string(url)], in: session)
        while !events.contains(where: { $0["method"] == "Page.loadEventFired" }) {
            events.append(try await nextMessage())
        }
        let answer = try await call(
            "Runtime.evaluate",
            ["expression": .string(expression), "awaitPromise": true, "returnByValue": true], in: session)
        return try answer.require("result").require("value")
    }

    private func call(_ method: String, _ parameters: JSON, in session: JSON? = nil) async throws -> JSON {
        lastCall += 1
        var message: JSON.Object = ["id": JSON(lastCall), "method": .string(method), "params": parameters]
        if let session { message["sessionId"] = session }
        let bytes = JSON.Writer().bytes(of: .object(message))
        await link.run { _, link in link.send(bytes) }
        while true {
            let answer = try await nextMessage()
            guard answer["id"] == JSON(lastCall) else {
                events.append(answer)
                continue
            }
            if let error = answer["error"] { throw BrowserError.said("\(method): \(error)") }
            return try answer.require("result")
        }
    }

    private func nextMessage() async throws -> JSON {
        try JSON.Reader().read(try await reports.next("browser", .received).bytes)
    }

    func close() async {
        await link.run { _, link in link.close() }
        await link.release()
        await program.stop()
    }
}

enum BrowserError: Error { case said(String) }

extension JSON {
    fileprivate func require(_ key: String) throws -> JSON {
        guard let value = self[key] else { throw BrowserError.said("there is no \(key) in \(self)") }
        return value
    }
}

/// The browser's end of its debugging protocol: whole messages, as texts.
private final class BrowserLink: LinkHandler {
    private let reports: Reports
    private var message: [UInt8] = []
    private var link: Link?

    init(_ dialer: some Dialer, _ loop: Loop, _ reports: Reports) {
        self.reports = reports
        link = dialer.dial(on: loop, deadline: .seconds(10), handler: self)
        link?.outgoingKind = .text
    }

    func send(_ bytes: [UInt8]) { link?.write(bytes) }
    func close() { link?.close(.done) }

    func opened(_ link: Link) { reports.note("browser", .opened) }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        message += unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        if endOfMessage { reports.note("browser", .received, exchange(&message, with: [])) }
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        reports.note("browser", .closed, [], reason)
    }
}
