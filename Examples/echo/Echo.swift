import Omniway

/// Sends back what it receives.
final class Echo: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes, endOfMessage: endOfMessage)
        if link.isFull { link.holdBack(link) }  // Who does not read its echo is not read either.
        return bytes.byteCount
    }
    func finished(_ link: Link) { link.finish() }
}

/// Joins each link that it accepts with one that it dials.
final class Forwarding: LinkIntake {
    let dialer: StreamDialer
    init(to address: SocketAddress) { dialer = StreamDialer(address) }
    func accept(_ link: Link) -> (any LinkHandler)? {
        let onward = dialer.dial(on: link.loop, deadline: .seconds(5), handler: link.handler)
        guard let onward, (try? Relay(link, onward)) != nil else { return nil }
        return link.handler  // The relay has put its own there.
    }
}

@main struct Example {
    static func main() async throws {
        let loops = EventLoops()
        let echo = try await StreamAcceptor(.loopback()).open(into: loops.own { _ in Echo() })
        let forwarding = await loops.own { _ in Forwarding(to: echo.address) }
        let relay = try await StreamAcceptor(.loopback()).open(into: forwarding)
        Log.shared.notice("listening", ["echo": "\(echo.address)", "relay": "\(relay.address)"])
        try await Task.sleep(for: .seconds(3600))  // Ctrl-C ends it earlier.
        await loops.shutdown()
    }
}
