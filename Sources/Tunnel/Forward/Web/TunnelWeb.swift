public import OmniwayTransport
import OmniwayWire

/// The entrance of a node for visitors of names, over HTTP and over TLS. It lives on the node's loop.
///
/// ```swift
/// let web = await TunnelWeb.open(for: node)
/// _ = try await StreamAcceptor(.ipv4(0, port: 80)).open(into: [web])
/// let secure = await TunnelWeb.open(for: node, secured: .terminated(try TLSServer(identity)))
/// _ = try await StreamAcceptor(.ipv4(0, port: 443)).open(into: [secure])
/// ```
public final class TunnelWeb: LinkIntake {
    /// What visitors speak below HTTP.
    public enum Security: Sendable {
        case plain
        /// TLS, which goes to those targets whose rules say so, and to nobody else.
        case passed
        /// TLS, which ends here unless it goes to a target.
        case terminated(TLSServer)
    }

    private let node: TunnelNode
    private let server: HTTPServer
    private let security: Security

    public static func open(
        for node: LoopBound<TunnelNode>, secured security: Security = .plain
    ) async -> LoopBound<TunnelWeb> {
        await node.map { _, node in TunnelWeb(of: node, security) }
    }

    private init(of node: TunnelNode, _ security: Security) {
        (self.node, self.security) = (node, security)
        var routes = HTTPRoutes()
        node.names.claim(in: &routes, all: true)
        server = HTTPServer(on: node.loop, routes: routes)
    }

    public func accept(_ link: Link) -> (any LinkHandler)? {
        if node.isDraining { return nil }
        return switch security {
        case .plain: server.accept(link)
        case .passed, .terminated: WebHello(at: self)
        }
    }

    /// Ends what is asked when its answer is there.
    public func drain() { server.drain() }

    /// Who goes on with a visitor that speaks TLS and wants this name; nil when nobody does.
    fileprivate func handler(for name: String?, _ link: Link) -> (any LinkHandler)? {
        if let rule = name.flatMap({ node.names.rule(for: $0) }), rule.options.passesTLS {
            return rule.limits.admits(link.traits.peer) ? RuleVisitor(of: rule, at: node) : nil
        }
        guard case .terminated(let tls) = security else { return nil }
        return tls.accept(link, into: server)
    }
}

/// The first handler of a link with TLS: it looks at whom the visitor wants, and takes nothing away.
private final class WebHello: LinkHandler, TimerTarget {
    private let web: TunnelWeb
    private var deadline: TimerID?
    private var link: LinkID?
    private static let patience = Duration.seconds(10)
    /// That there is no such name, as TLS says it.
    private static let unknownName: [UInt8] = [0x15, 3, 1, 0, 2, 2, 112]

    init(at web: TunnelWeb) { self.web = web }

    func opened(_ link: Link) {
        self.link = link.id
        link.limits.unread = max(link.limits.unread, ClientHello.mostBytes)
        deadline = link.loop.after(Self.patience, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(ClientHelloError) {
            guard let hello = try ClientHello.decode(bytes) else { return 0 }
            end(link.loop)
            guard let handler = web.handler(for: hello.serverName, link) else {
                link.write(Self.unknownName)
                link.close(.refused.with("nothing is served under the name that it wants"))
                return bytes.byteCount
            }
            link.handler = handler
            if link.state == .open { handler.opened(link) }
            return 0  // The next handler is given them.
        } catch {
            link.close(.handshakeFailed.with(error.description))
            return bytes.byteCount
        }
    }

    func finished(_ link: Link) { link.close(.finished) }
    func closed(_ link: Link, _ reason: CloseReason) { end(link.loop) }

    private func end(_ loop: Loop) { if let deadline = exchange(&deadline, with: nil) { loop.cancel(deadline) } }

    func timerFired(_ token: UInt64, on loop: Loop) {
        deadline = nil
        if let link { loop.link(link)?.close(.handshakeTimeout.with("it did not say whom it wants")) }
    }
}
