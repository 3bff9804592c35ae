public import OmniwayTransport
public import OmniwayWire

/// What a virtual link is at the gateway.
public struct VirtualEnds: Hashable, Sendable {
    /// The number of the connection, the same at its other end.
    public let connection: ConnectionID
    /// Who is there: a client's id for a server, a server's for a client.
    public let remote: EndpointID
}

extension Link {
    /// Of a virtual link, or of one that is carried by it; nil for others, and while it is dialled.
    public var virtual: VirtualEnds? {
        var link: Link? = self
        while let current = link {
            if let driver = current.driver(as: VirtualDriver.self) { return driver.ends }
            link = current.driver(as: LayerDriver.self)?.carrier
        }
        return nil
    }
}

/// Below one virtual link: turns its messages into frames of the physical one.
final class VirtualDriver: LinkDriver {
    static let traits = LinkTraits(keepsMessages: true, halfCloses: false, pausing: .buffers)

    private let session: EndpointSession
    let remote: EndpointID
    let tag: Int
    var connection: ConnectionID = 0
    private(set) var link: Link?
    /// Waits among others for room in the physical link.
    var isStalled = false
    private var isClosedByPeer = false

    init(_ session: EndpointSession, _ remote: EndpointID, tag: Int) {
        (self.session, self.remote, self.tag) = (session, remote, tag)
    }

    func meet(_ link: Link) { self.link = link }

    var ends: VirtualEnds? { connection == 0 ? nil : VirtualEnds(connection: connection, remote: remote) }

    // MARK: Upwards

    func deliver(_ bytes: RawSpan, endsMessage: Bool) {
        guard let link else { return }
        if link.unreadCount >= session.configuration.recvChanSize {
            return link.close(.slowReader.with("\(link.unreadCount) messages wait to be read"))
        }
        link.deliver(bytes, endOfMessage: endsMessage)
    }

    func peerClosed() {
        isClosedByPeer = true
        link?.peerFinished()
    }

    func end(_ reason: CloseReason) {
        session.forget(self)
        exchange(&link, with: nil)?.ended(reason)
    }

    // MARK: Downwards

    var onlyQueues: Bool { true }

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        if isClosedByPeer {
            end(.finished.with("the other end has closed"))
            return 0
        }
        let limit = session.configuration.maxMessageSize
        guard bytes.byteCount <= limit else {
            link.close(.messageTooLarge.with("\(bytes.byteCount) bytes; the packet size allows \(limit)"))
            return 0
        }
        guard let carrier = session.carrier else { return 0 }
        // Having taken nothing of an empty message would say nothing.
        if carrier.isFull, !bytes.isEmpty, !link.isLeaving {
            session.stalls(self)
            return 0
        }
        let header = GatewayCodec.header(of: connection, payload: bytes.byteCount)
        carrier.write(unsafe header.span.bytes, bytes)  // Safe because bytes have no padding.
        return bytes.byteCount
    }

    /// What arrives cannot be stopped: it waits in the link, up to its limit.
    func setReading(_ isReading: Bool, for link: Link) {}

    func finish(_ link: Link) { if !isClosedByPeer { session.finish(self) } }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        self.link = nil
        session.close(self)
    }
}
