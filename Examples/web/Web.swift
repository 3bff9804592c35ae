import Omniway

/// Sends every message back as what it was, text or binary.
final class Talk: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.outgoingKind = link.incomingKind
        link.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }
}

/// A page, an API and a WebSocket, the same on every loop.
func site(on loop: Loop) -> HTTPServer {
    let talk = Talk()
    var routes = HTTPRoutes()
    routes.get("/", Array("<title>Omniway</title><h1>It works.</h1>\n".utf8), type: "text/html")
    routes.get("/hello/:name") { exchange in exchange.respond(.ok, "Hello, \(exchange["name"] ?? "you")!\n") }
    routes.get("/talk") { exchange in exchange.upgrade(to: WebSocket(compression: .on()), for: talk) }
    return HTTPServer(on: loop, routes: routes)
}

@main struct Web {
    static func main() async throws {
        let loops = EventLoops()
        let servers = await loops.own { loop in site(on: loop) }
        let plain = try await StreamAcceptor(.loopback()).open(into: servers)
        // The same behind TLS: what wraps an acceptor is an acceptor.
        let identity = try TLSIdentity.selfSigned("localhost")
        let secure = try await TLSServer(identity).over(StreamAcceptor(.loopback())).open(into: servers)
        Log.shared.notice("listening", ["http": "\(plain.address)", "https": "\(secure.address)"])
        try await Task.sleep(for: .seconds(3600))  // Ctrl-C ends it earlier.
        await loops.shutdown()
    }
}
