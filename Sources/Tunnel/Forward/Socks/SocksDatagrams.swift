import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The datagrams of one SOCKS5 visitor at the client through which it reaches their targets. They come one after the
/// other in the visitor's stream; each target has a flow of its own, and there are only so many.
final class SocksDatagrams: LinkHandler {
    private let client: TunnelClient
    private let stream: Link
    /// The one that was used last is the last.
    private var flows: [Flow] = []
    private static let most = 64

    @discardableResult
    init(over stream: Link, for client: TunnelClient) {
        (self.stream, self.client) = (stream, client)
        stream.limits.unread = max(stream.limits.unread, DatagramStream.prefix + DatagramStream.most)
        stream.handler = self
        stream.write(SocksReply.succeeded.bytes())
        stream.resumeReading()
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        while let range = DatagramStream.next(bytes, at: offset) {
            send(bytes.extracting(range))
            offset = range.upperBound
        }
        return offset
    }

    func finished(_ link: Link) { link.close(.done) }

    func closed(_ link: Link, _ reason: CloseReason) {
        for flow in exchange(&flows, with: []) { flow.link?.close(.done) }
    }

    private func send(_ datagram: RawSpan) {
        guard let (place, start) = SocksDatagram.decode(datagram) else { return }
        let target = HostPort(place)
        let bytes = datagram.array(start..<datagram.byteCount)
        if let index = flows.firstIndex(where: { $0.target == target }) {
            let flow = flows.remove(at: index)
            flows.append(flow)
            return flow.send(bytes)
        }
        guard target.port > 0, client.allowsAsked(target, .udp) else {
            return client.note(.targetFailed(TargetAddress(.udp, at: target), "SOCKS5 may not reach it"))
        }
        if flows.count >= Self.most { flows.removeFirst().link?.close(.idle) }
        let flow = Flow(to: target, of: self)
        flows.append(flow)
        flow.link = client.settings.dialDatagrams(target).dial(
            on: client.loop, deadline: client.settings.dialPatience, handler: flow)
        flow.send(bytes)
    }

    private func admits(_ address: SocketAddress) -> Bool { client.allowsAsked(address) }

    private func answer(_ bytes: RawSpan, from flow: Flow, at address: SocketAddress) {
        let header = SocksDatagram.header(SocksPlace(address) ?? flow.place)
        let count = header.count + bytes.byteCount
        guard count <= DatagramStream.most, !stream.isFull else {
            return MuxCounters(stream.loop.meters).dropped.add(1)
        }
        stream.write(DatagramStream.length(count) + header + bytes.array(0..<bytes.byteCount))
    }

    private func ended(_ flow: Flow) { flows.removeAll { $0 === flow } }

    /// To one target. What is sent before it is open waits, as far as it fits.
    private final class Flow: LinkHandler {
        let target: HostPort
        var link: Link?
        private weak var all: SocksDatagrams?
        private var waiting: [[UInt8]] = []
        private var isOpen = false
        private static let most = 16

        init(to target: HostPort, of all: SocksDatagrams) { (self.target, self.all) = (target, all) }

        var place: SocksPlace { .name(target.host, port: target.port) }

        func send(_ bytes: [UInt8]) {
            if isOpen { link?.write(bytes) } else if waiting.count < Self.most { waiting.append(bytes) }
        }

        func opened(_ link: Link) {
            // A name may have led to where nobody may go.
            guard let all, all.admits(link.traits.peer) else { return link.close(.refused) }
            link.idleLimit = DatagramLimits.tunnel.idle
            isOpen = true
            for bytes in exchange(&waiting, with: []) { link.write(bytes) }
        }

        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            all?.answer(bytes, from: self, at: link.traits.peer)
            return bytes.byteCount
        }

        func closed(_ link: Link, _ reason: CloseReason) {
            self.link = nil
            all?.ended(self)
        }
    }
}

extension SocksPlace {
    /// Nil for what has no port.
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let host, let port): self = .ipv4(host, port: port)
        case .ipv6(let high, let low, let port, _): self = .ipv6(high: high, low: low, port: port)
        case .unix, .passed, .none: return nil
        }
    }
}
