import OmniwayTransport
import OmniwayWire

/// The handler of a new stream until it has said, in one frame, what it is for.
final class StreamGreeting: LinkHandler, TimerTarget {
    private let caller: NodeCaller
    private let isBulk: Bool
    private weak var node: TunnelNode?
    private var link: Link?
    private var deadline: TimerID?
    static let codec = InvokeCodec(maxFrameSize: 64 << 10)
    private static let patience = Duration.seconds(5)

    init(from caller: NodeCaller, isBulk: Bool, at node: TunnelNode) {
        (self.caller, self.isBulk, self.node) = (caller, isBulk, node)
    }

    func opened(_ link: Link) {
        self.link = link
        link.limits.unread = max(link.limits.unread, Self.codec.maxFrameSize + InvokeCodec.headerSize)
        deadline = link.loop.after(Self.patience, self)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(InvokeError) {
            guard let range = try Self.codec.frame(in: bytes) else {
                guard link.traits.keepsMessages else { return 0 }
                throw .malformed("a flow begins with a whole request")
            }
            guard case .request(let request) = try Self.codec.message(bytes.extracting(range)) else {
                throw .malformed("a stream begins with a request")
            }
            end(link.loop)
            if let node { node.take(request, link, isBulk: isBulk, from: caller) } else { link.close(.shutdown) }
            return link.traits.keepsMessages ? bytes.byteCount : range.upperBound
        } catch {
            link.close(.unwanted.with(error.description))
            return bytes.byteCount
        }
    }

    func closed(_ link: Link, _ reason: CloseReason) { end(link.loop) }

    private func end(_ loop: Loop) {
        link = nil
        if let deadline = exchange(&deadline, with: nil) { loop.cancel(deadline) }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        deadline = nil
        exchange(&link, with: nil)?.close(.unwanted.with("it did not say what it is for"))
    }

    /// The one frame at the start of a stream.
    static func bytes(_ path: String, headers: InvokeHeaders, body: String = "", on loop: Loop) -> [UInt8] {
        let request = InvokeRequest(
            id: UUIDText.random(using: &loop.random), path: path, headers: headers, body: body)
        var bytes: [UInt8] = []
        // What the node refuses it would refuse as an empty stream too.
        try? codec.write(.request(request), to: &bytes)
        return bytes
    }
}

extension TunnelNode {
    /// What a stream says that it is for decides nothing but which rule, or which transfer, is looked at.
    func take(_ request: InvokeRequest, _ stream: Link, isBulk: Bool, from caller: NodeCaller) {
        let id = request.headers["TransferId"] ?? ""
        switch (request.key, caller.standing) {
        case (Path.listenIn, .client(let session)):
            let text = (try? MemberReader(request.body).text("ListenAddr")) ?? ""
            guard let address = TunnelAddress(text), let rule = rules[session.client]?[address],
                rule.listener == session.client, address.keepsMessages == stream.traits.keepsMessages
            else { return stream.close(.unwanted.with("there is no such rule")) }
            stream.setPeer(SocketAddress(request.headers["VisitorAddr"] ?? "") ?? .none)
            transfers.begin(rule, stream)
        case (Path.go, .client(let session)):
            let rendezvous = request.headers["RelayNodeId"] ?? ""
            if rendezvous.isEmpty || rendezvous == self.id {
                transfers.join(id, stream, from: session.client)
            } else {
                links.relay(stream, isBulk: isBulk, of: id, from: session.client, to: rendezvous)
            }
        case (Path.relayOpen, .node):
            // Never passed on: a stream comes over one other node at most.
            transfers.join(id, stream, from: request.headers["TerminalId"] ?? "")
        default: stream.close(.unwanted.with("a stream is not for \(request.path)"))
        }
    }
}
