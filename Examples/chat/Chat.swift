import FoundationEssentials
import Glibc
import Omniway

/// A room: what one says, all hear. It takes virtual connections, and listens nowhere.
final class Room: LinkIntake, LinkHandler {
    private let loop: Loop
    private var present: [LinkID] = []
    init(on loop: Loop) { self.loop = loop }

    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func opened(_ link: Link) { present.append(link.id) }
    func receive(_ words: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if endOfMessage { for somebody in present { loop.write(words, to: somebody) } }
        return words.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) { present.removeAll { $0 == link.id } }
}

/// The page, and the client in JavaScript that it loads.
func pages(on loop: Loop) -> HTTPServer {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    var routes = HTTPRoutes()
    for (path, type) in [
        ("Examples/chat/index.html", "text/html"), ("Clients/javascript/omniway-gateway.js", "text/javascript"),
    ] { routes.get("/\(path)", Array(FileManager.default.contents(atPath: "/\(root)/\(path)") ?? Data()), type: type) }
    return HTTPServer(on: loop, routes: routes)
}

@main struct Chat {
    static func main() async throws {
        let loop = EventLoop()
        var settings = GatewaySettings()
        settings.keys = [Secret("open sesame")]
        let gateway = await Gateway(on: [loop], settings)
        let players = try await gateway.listen(
            for: .client, on: WebSocket(path: "/gateway").over(StreamAcceptor(.loopback())))
        let servers = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))

        // The room could run anywhere from which it can reach the gateway.
        let room = try await GatewayEndpoint(
            .server(7, key: "open sesame"), over: StreamDialer(servers.address), on: loop)
        _ = try await room.open(into: [await loop.own { loop in Room(on: loop) }])
        try await room.ready()

        let site = await loop.own { loop in pages(on: loop) }
        let listening = try await StreamAcceptor(.loopback()).open(into: [site])
        let query = "server=7&gateway=ws://\(players.address)/gateway"
        print("Open this page in two windows:\nhttp://\(listening.address)/Examples/chat/index.html?\(query)")
        fflush(nil)
        try await Task.sleep(for: .seconds(3600))  // Ctrl-C ends it earlier.
        await loop.shutdown()
    }
}
