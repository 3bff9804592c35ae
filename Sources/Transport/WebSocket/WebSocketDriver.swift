import OmniwayWire

/// Below a link of messages, above the stream that carries them as frames.
final class WebSocketDriver: LayerDriver {
    let role: WebSocketRole
    let closeLimit: Duration
    var handshake: WebSocketHandshake
    /// Until the link has opened.
    var opening: WebSocketOpening?
    /// The handshake is done, and nobody has ended the link.
    var isOpen = false
    var keepAlive: WebSocketKeepAlive
    var closing = WebSocketClosing()
    let writer: WebSocketWriter
    private var reader: WebSocketReader
    private var loop: Loop?
    /// The last ping that was not answered, because the peer does not read what it is sent.
    private var unanswered: [UInt8]?

    init(_ role: WebSocketRole, _ settings: WebSocket, _ handshake: WebSocketHandshake) {
        (self.role, self.handshake, closeLimit) = (role, handshake, settings.closeLimit)
        keepAlive = WebSocketKeepAlive(settings.keepAlive)
        writer = WebSocketWriter(role, compressesAbove: settings.compression.threshold)
        reader = WebSocketReader(role, maxMessageSize: settings.maxMessageSize)
    }

    func compresses(_ deflate: WebSocketDeflate, on loop: Loop) {
        let (ours, theirs) = role == .server ? (deflate.server, deflate.client) : (deflate.client, deflate.server)
        reader.inflates(by: loop.deflatePool, windowBits: theirs.windowBits, keepsContext: theirs.keepsContext)
        guard ours.windowBits >= 9 else { return }  // zlib cannot.
        writer.compresses(
            by: WebSocketDeflation(
                pool: loop.deflatePool, windowBits: ours.windowBits, keepsContext: ours.keepsContext))
    }

    override var frameFormat: FrameFormat? { .webSocket }

    override func traits(over carrier: LinkTraits) -> LinkTraits {
        var traits = carrier
        traits.keepsMessages = true
        traits.halfCloses = false
        return traits
    }

    override func begin(over carrier: Link) {
        loop = carrier.loop
        beginHandshake(over: carrier)
    }

    // MARK: Downwards

    override var onlyQueues: Bool { true }

    override func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard let carrier else { return 0 }
        let opcode: WebSocketOpcode = link.sendingKind == .text ? .text : .binary
        return writer.send(bytes, opcode, isLeaving: link.isLeaving, on: carrier)
    }

    override func send(_ head: RawSpan, _ rest: RawSpan, for link: Link) -> Int {
        guard let carrier, !carrier.isFull else { return 0 }
        return writer.send(head, rest, link.sendingKind == .text ? .text : .binary, on: carrier)
    }

    override func writable(_ carrier: Link) {
        if let ping = unanswered {
            unanswered = nil
            unsafe ping.withUnsafeBytes { pong(unsafe RawSpan(_unsafeBytes: $0), on: carrier) }
        }
        super.writable(carrier)
    }

    override func finish(_ link: Link) {
        if let carrier { sayClose(WebSocketClose(.normal), over: carrier) }
    }

    override func sayGoodbye(_ reason: CloseReason, rest: RawSpan, over carrier: Link) {
        isOpen = false
        keepAlive.stop(on: carrier.loop)
        guard reason.sendsTheRest else { return }
        // An answer repeats what the peer said.
        sayClose(closing.heard.map { WebSocketClose($0.code) } ?? WebSocketClose(reason), over: carrier)
    }

    override func leave(_ carrier: Link, _ reason: CloseReason) {
        // Who did not follow a finish in time has had its time.
        let mayAnswer = reason.sendsTheRest && reason != .lingered
        guard mayAnswer, closing.heard == nil || role == .client else { return carrier.close(reason) }
        closing.reason = reason
        closing.timer = carrier.loop.after(closeLimit, self, token: WebSocketClosing.token)
        carrier.resumeReading()
    }

    /// What was inflated of a paused link is not in the carrier's hands any more, so nobody would bring it.
    override func setReading(_ isReading: Bool, for link: Link) {
        super.setReading(isReading, for: link)
        if isReading, reader.owesEvent { link.loop.after(.zero, self, token: Self.goOnToken) }
    }
    static let goOnToken: UInt64 = 3

    /// The handler reads again.
    func goOn(_ carrier: Link) { if isOpen { _ = readFrames(RawSpan(), carrier) } }

    // MARK: Upwards

    override func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        if closing.isOver { return bytes.byteCount }
        if isOpen || closing.isWaiting { return readFrames(bytes, carrier) }
        let used = shakeHands(bytes, over: carrier)
        guard isOpen || closing.isWaiting else { return carrier.state == .open ? used : bytes.byteCount }
        return used + readFrames(bytes.extracting(droppingFirst: used), carrier)
    }

    private func readFrames(_ bytes: RawSpan, _ carrier: Link) -> Int {
        let block = unsafe carrier.loop.pool.take(WebSocketWriter.scratchSize)
        defer { unsafe carrier.loop.pool.give(block, size: WebSocketWriter.scratchSize) }
        let scratch = unsafe UnsafeMutableRawBufferPointer(start: block, count: WebSocketWriter.scratchSize)
        var reader = self.reader  // Changed as a copy, and not in place for every frame.
        var used = 0
        do throws(WebSocketError) {
            while mayRead, let event = unsafe try reader.next(in: bytes, from: &used, scratch: scratch) {
                unsafe take(event, bytes, scratch, carrier)
            }
        } catch {
            breakOff(error, over: carrier)
        }
        self.reader = reader
        return closing.isOver ? bytes.byteCount : used
    }

    private var mayRead: Bool {
        if let link { isOpen && link.isReading } else { closing.isWaiting }
    }

    @inline(__always)
    private func take(
        _ event: WebSocketEvent, _ bytes: RawSpan, _ scratch: UnsafeMutableRawBufferPointer, _ carrier: Link
    ) {
        switch event {
        case .piece(let kind, let place, let ends):
            guard let link else { return }
            link.incomingKind = kind == .text ? .text : .binary
            link.deliver(unsafe place.span(bytes, scratch), endOfMessage: ends)
        case .ping(let place): pong(unsafe place.span(bytes, scratch), on: carrier)
        case .pong: break  // Having heard it is all that it is for.
        case .close(let close): peerSaysClose(close, over: carrier)
        }
    }

    /// A peer that sends pings and reads nothing gets the answer to the last one when it reads again (RFC 6455, 5.5.3).
    private func pong(_ payload: RawSpan, on carrier: Link) {
        guard !closing.hasSaid else { return }
        if carrier.isFull {
            unanswered = unsafe payload.withUnsafeBytes { unsafe Array($0) }
        } else {
            writer.sendControl(.pong, payload, on: carrier)
        }
    }

    /// The end of the stream.
    override func finished(_ carrier: Link) {
        if let reason = closing.reason {
            carrier.close(reason)
        } else if isOpen {
            fail(.reset.with("the peer left without a close frame"))
        } else {
            super.finished(carrier)
        }
    }

    override func ended() {
        isOpen = false
        handshake = .done
        guard let loop else { return }
        keepAlive.stop(on: loop)
        if let timer = closing.timer { loop.cancel(timer) }
    }
}
