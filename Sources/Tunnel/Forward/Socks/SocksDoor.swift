import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// The side of SOCKS5 where the visitor is. The client at the other end of the stream answers; this one only reads
/// along, because a visitor that wants datagrams needs a port to send them to, and that can only be here.
final class SocksDoor: LinkHandler {
    /// Opens a port for datagrams: the acceptors are tried in turn, each with the address that the visitor is told.
    struct Ports {
        let home: EventLoop
        let choices: [(address: SocketAddress, acceptor: any Acceptor)]
    }

    private enum State {
        case dialogue
        /// The visitor wants datagrams, and the other end has not answered.
        case asking
        case opening(LinkDoor?)
        case datagrams(LinkDoor?)
        case over
    }

    private let visitor: Link
    private let stream: Link
    private let ports: Ports
    private let ended: () -> Void
    private var state = State.dialogue
    private var dialogue: SocksServer
    /// What the other end says before its answer to the request.
    private var preface: Int
    private var relay: Relay?
    private var flow: Link?
    /// Told of the bytes of each piece that went, in either direction.
    var moved: ((Int) -> Void)? { didSet { relay?.moved = moved } }
    private var received = (fromVisitor: UInt64(0), toVisitor: UInt64(0))

    var fromVisitor: UInt64 { received.fromVisitor + (relay?.bytesFromA ?? 0) }
    var toVisitor: UInt64 { received.toVisitor + (relay?.bytesFromB ?? 0) }

    /// Holds itself until one of the links has ended.
    @discardableResult
    init(_ visitor: Link, _ stream: Link, login: Bool, ports: Ports, ended: @escaping () -> Void = {}) {
        (self.visitor, self.stream, self.ports, self.ended) = (visitor, stream, ports, ended)
        dialogue = SocksServer(asksPassword: login)
        preface = login ? 4 : 2
        (visitor.handler, stream.handler) = (self, self)
        stream.limits.unread = max(stream.limits.unread, DatagramStream.prefix + DatagramStream.most)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link === visitor ? hearVisitor(bytes) : hearTarget(bytes)
    }

    func finished(_ link: Link) {
        if case .dialogue = state { return link === visitor ? stream.finish() : visitor.finish() }
        link.close(.done)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        if case .over = state { return }
        switch state {
        case .opening(let door), .datagrams(let door): door?.close()
        case .dialogue, .asking, .over: break
        }
        state = .over
        let other = link === visitor ? stream : visitor
        other.close(reason.sendsTheRest ? .relayEnded.with(reason.description) : .reset.with(reason.description))
        flow?.close(.done)
        ended()
    }

    // MARK: Reading along

    private func hearVisitor(_ bytes: RawSpan) -> Int {
        guard case .dialogue = state else { return bytes.byteCount }
        var offset = 0
        var begins = false
        do throws(SocksError) {
            while !begins, let step = try dialogue.next(bytes, &offset) {
                switch step {
                case .answer: break
                case .credentials: _ = dialogue.decide(true)  // If they are wrong the other end says so, and leaves.
                case .request(let request):
                    if request.command == .associate { state = .asking }
                    begins = true
                case .refuse: begins = true
                }
            }
        } catch {
            begins = true
            offset = 0
        }
        if offset > 0 {
            stream.write(bytes.extracting(0..<offset))
            received.fromVisitor += UInt64(offset)
            moved?(offset)
        }
        if begins, case .dialogue = state { becomeRelay() }
        return offset
    }

    /// What follows is not looked at.
    private func becomeRelay() {
        state = .over
        do throws(RelayError) {
            relay = try Relay(visitor, stream, owner: self)
            relay?.moved = moved
        } catch {
            visitor.close(.reset.with(error.description))
            stream.close(.reset)
            ended()
        }
    }

    private func hearTarget(_ bytes: RawSpan) -> Int {
        switch state {
        case .dialogue, .asking:
            let count = min(preface, bytes.byteCount)
            preface -= count
            if count > 0 { tell(bytes.extracting(0..<count)) }
            return count + (preface == 0 ? readAnswer(bytes.extracting(droppingFirst: count)) : 0)
        case .opening: return 0
        case .datagrams: return readDatagrams(bytes)
        case .over: return bytes.byteCount
        }
    }

    private func tell(_ bytes: RawSpan) {
        visitor.write(bytes)
        received.toVisitor += UInt64(bytes.byteCount)
        moved?(bytes.byteCount)
    }

    private func readAnswer(_ bytes: RawSpan) -> Int {
        var end = 3
        guard bytes.byteCount > 3 else { return 0 }
        guard (try? SocksPlace.decode(bytes, &end)) != nil, bytes.byte(0) == 5 else {
            if bytes.byteCount > 22 { stream.close(.protocolError.with("it does not answer as SOCKS5 does")) }
            return 0
        }
        guard case .asking = state, bytes.byte(1) == SocksReply.succeeded.rawValue else {
            tell(bytes.extracting(0..<end))
            return end
        }
        stream.pauseReading()
        open(ports.choices[...])
        return end
    }

    // MARK: Datagrams

    private func open(_ choices: ArraySlice<(address: SocketAddress, acceptor: any Acceptor)>) {
        guard let (address, acceptor) = choices.first else {
            visitor.write(SocksReply.failed.bytes())
            return visitor.close(.done)
        }
        state = .opening(nil)
        let host = visitor.traits.peer.host
        let door = LinkDoor(on: visitor.loop, home: ports.home, acceptor) { [weak self] result in
            guard let self, case .opening = state else { return }
            switch result {
            case .failure: open(choices.dropFirst())
            case .success(let listening): opened(at: address.port > 0 ? address : listening.address)
            }
        } accept: { [weak self] link in
            // Whoever else sends something there is not the visitor.
            guard let self, link.traits.peer.host == host else { return nil }
            return Flow(of: self)
        }
        if case .opening = state { state = .opening(door) } else { door.close() }
    }

    private func opened(at address: SocketAddress) {
        guard case .opening(let door) = state else { return }
        state = .datagrams(door)
        visitor.write(SocksReply.succeeded.bytes(SocksPlace(address) ?? .ipv4(0, port: address.port)))
        stream.resumeReading()
    }

    private func readDatagrams(_ bytes: RawSpan) -> Int {
        var offset = 0
        while let range = DatagramStream.next(bytes, at: offset) {
            flow?.write(bytes.extracting(range))
            received.toVisitor += UInt64(range.count)
            moved?(range.count)
            offset = range.upperBound
        }
        return offset
    }

    private func take(_ datagram: RawSpan, _ link: Link) {
        guard case .datagrams = state, SocksDatagram.decode(datagram) != nil else { return }
        if let old = flow, old !== link { old.close(.done) }
        flow = link
        guard !stream.isFull, datagram.byteCount <= DatagramStream.most else {
            return MuxCounters(link.loop.meters).dropped.add(1)
        }
        stream.write(DatagramStream.length(datagram.byteCount))
        stream.write(datagram)
        received.fromVisitor += UInt64(datagram.byteCount)
        moved?(datagram.byteCount)
    }

    /// What comes to the port from one place. The place that was used last gets the answers.
    private final class Flow: LinkHandler {
        private weak var door: SocksDoor?
        init(of door: SocksDoor) { self.door = door }

        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            door?.take(bytes, link)
            return bytes.byteCount
        }
        func closed(_ link: Link, _ reason: CloseReason) { if door?.flow === link { door?.flow = nil } }
    }
}

extension SocksDoor: RelayOwner {
    func relayEnded(_ relay: Relay, _ reason: CloseReason) { ended() }
}
