import OmniwayWire

/// How far the end of a WebSocket has come: both sides say that they close, then the server ends the stream.
struct WebSocketClosing {
    static let token: UInt64 = 2
    /// This side has sent its close frame.
    var hasSaid = false
    /// The peer's close frame.
    var heard: WebSocketClose?
    /// The link has ended; the carrier ends with this reason when the peer has done its part.
    var reason: CloseReason?
    var timer: TimerID?

    /// Nobody is above any more, and the peer's close frame is still to come.
    var isWaiting: Bool { reason != nil && heard == nil }
    /// Whatever comes now is not read.
    var isOver: Bool { heard != nil || isBroken }
    var isBroken = false
}

extension WebSocketDriver {
    func sayClose(_ close: WebSocketClose, over carrier: Link) {
        guard !closing.hasSaid else { return }
        closing.hasSaid = true
        unsafe close.payload.withUnsafeBytes {
            writer.sendControl(.close, unsafe RawSpan(_unsafeBytes: $0), on: carrier)
        }
    }

    func peerSaysClose(_ close: WebSocketClose, over carrier: Link) {
        closing.heard = close
        if let reason = closing.reason {
            if role == .server { carrier.close(reason) }  // A client waits for the end of the stream.
        } else {
            link?.close(CloseReason(close))
        }
    }

    /// The peer broke the rules. It is told, and no more is read.
    func breakOff(_ error: WebSocketError, over carrier: Link) {
        closing.isBroken = true
        isOpen = false
        let reason: CloseReason = if case .messageTooLarge = error { .messageTooLarge } else { .protocolError }
        link?.sendQueue()  // What was written before is not to blame.
        sayClose(WebSocketClose(error.closeCode, error.description), over: carrier)
        link?.ended(reason.with(error.description))
        // What was said last must still go out.
        carrier.close(CloseReason(reason.name, detail: error.description))
    }
}

extension WebSocketDriver: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let carrier else { return }
        switch token {
        case WebSocketClosing.token: if let reason = closing.reason { carrier.close(reason) }
        case Self.goOnToken: goOn(carrier)
        default:
            switch keepAlive.check(self, over: carrier) {
            case .fine: break
            case .ask: if !carrier.isFull { writer.sendControl(.ping, RawSpan(), on: carrier) }
            case .lost: link?.close(.peerLost.with("nothing was heard for \(keepAlive.patience)"))
            }
        }
    }
}

// MARK: Reasons and codes

extension WebSocketClose {
    /// What the peer is told. A reason's own code goes first; what stands in its detail is not for everybody.
    init(_ reason: CloseReason) {
        if let code = reason.code.map(WebSocketCloseCode.init(rawValue:)), code.mayBeSent {
            self.init(code, reason.name)
            return
        }
        switch reason {
        case .finished, .done, .relayEnded, .lingered: self.init(.normal)
        case .shutdown, .idle: self.init(.goingAway, reason.name)
        case .protocolError: self.init(.protocolError, reason.description)
        case .unreadLimit: self.init(.tooLarge, reason.name)
        case .refused: self.init(.policyViolation, reason.name)
        case .systemError: self.init(.internalError, reason.name)
        default: self.init(.normal, reason.name)
        }
    }
}

extension CloseReason {
    /// The peer sent what its protocol does not allow.
    public static let protocolError = CloseReason("protocol-error", sendsTheRest: false)
    /// The peer closed, and gave a code that says that something went wrong, or is the application's own.
    public static let closedByPeer = CloseReason("closed-by-peer")

    init(_ close: WebSocketClose) {
        let isClean = close.code == nil || close.code == .normal || close.code == .goingAway
        let reason: CloseReason = isClean ? .finished : .closedByPeer
        let words = [close.code.map { "\($0.rawValue)" }, close.reason.isEmpty ? nil : close.reason].compactMap(\.self)
        self = (words.isEmpty ? reason : reason.with(words.joined(separator: " "))).with(code: close.code?.rawValue)
    }
}
