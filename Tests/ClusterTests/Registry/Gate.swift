import OmniwayTransport

/// A port in front of another one, which can be shut: connections break, and new ones are refused.
final class Gate: Sendable {
    let port: UInt16
    private let loop: EventLoop
    private let forwarder: LoopBound<Forwarder>
    private let listening: LoopBound<Holder>

    private final class Holder { var listening: Listening? }

    private final class Forwarder: LinkIntake {
        private let dialer: StreamDialer
        private var links: [LinkID] = []
        init(to port: UInt16) { dialer = StreamDialer(.loopback(port: port)) }

        func accept(_ link: Link) -> (any LinkHandler)? {
            guard let onward = dialer.dial(on: link.loop, deadline: .seconds(5), handler: link.handler) else {
                return nil
            }
            do {
                try Relay(link, onward)
            } catch {
                onward.close(.done)
                return nil
            }
            links += [link.id, onward.id]
            return link.handler
        }

        func silence(on loop: Loop) { for id in links { loop.link(id)?.pauseReading() } }

        func breakAll(on loop: Loop) {
            for id in links { loop.link(id)?.close(.reset) }
            links = []
        }
    }

    init(to target: UInt16) async throws {
        loop = EventLoop()
        forwarder = await loop.own { _ in Forwarder(to: target) }
        listening = await loop.own { _ in Holder() }
        let opened = try await StreamAcceptor(.loopback(port: 0)).open(into: [forwarder])
        port = opened.address.port
        await listening.run { _, holder in holder.listening = opened }
    }

    func shut() async {
        let open = await listening.run { _, holder in holder.listening }
        await open?.stop()
        await forwarder.run { loop, forwarder in forwarder.breakAll(on: loop) }
    }

    /// The connections that there are stay, and nothing gets through them any more.
    func silence() async { await forwarder.run { loop, forwarder in forwarder.silence(on: loop) } }

    func open() async throws {
        let opened = try await StreamAcceptor(.loopback(port: port)).open(into: [forwarder])
        await listening.run { _, holder in holder.listening = opened }
    }

    func end() async { await loop.shutdown() }
}
