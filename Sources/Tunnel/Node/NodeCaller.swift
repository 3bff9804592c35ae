import OmniwayTransport

/// Who is at the other end of one command connection, as far as is known.
final class NodeCaller {
    enum Standing {
        /// Nobody yet; whether it is being found out.
        case stranger(isBusy: Bool)
        case client(NodeSession)
        /// Another node of the cluster.
        case node(String)
        /// Was somebody, and is no more.
        case gone
    }
    let peer: CarrierPeer
    let source: SocketAddress
    var standing = Standing.stranger(isBusy: false)
    private let settings: TunnelNodeSettings
    private enum Token { static let login: UInt64 = 0, silence: UInt64 = 1 }

    init(_ peer: CarrierPeer, _ settings: TunnelNodeSettings) {
        (self.peer, self.settings) = (peer, settings)
        source = peer.invoker?.link?.traits.peer.host ?? .none
        peer.loop.after(settings.loginPatience, self, token: Token.login)
        peer.loop.after(settings.silence, self, token: Token.silence)
    }

    var session: NodeSession? { if case .client(let session) = standing { session } else { nil } }
    var node: String? { if case .node(let id) = standing { id } else { nil } }
}

extension NodeCaller: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let invoker = peer.invoker, invoker.attachment === self else { return }
        switch (token, standing) {
        case (Token.login, .stranger): invoker.close(.handshakeTimeout.with("it did not log in"))
        case (Token.login, _): break
        default:
            let quiet = loop.now - invoker.lastHeard
            if quiet >= settings.silence {
                invoker.close(.peerLost.with("it was silent for \(settings.silence)"))
            } else {
                loop.after(settings.silence - quiet, self, token: Token.silence)
            }
        }
    }
}

/// A client that has logged in here.
final class NodeSession {
    let client: String
    let tunnel: String
    /// What the registry says while it is here, and since when.
    let online: String
    let revision: Int64
    let peer: CarrierPeer

    init(_ client: String, tunnel: String, online: String, revision: Int64, peer: CarrierPeer) {
        (self.client, self.tunnel, self.online, self.revision, self.peer) = (client, tunnel, online, revision, peer)
    }
}

extension CloseReason {
    /// A newer login has taken the place of this one.
    static let superseded = CloseReason("superseded")
    /// A refused stream is broken off: a clean end would look like an empty answer.
    static let unwanted = CloseReason(CloseReason.refused.name, sendsTheRest: false)
}
