/// What a message is, on links whose protocol tells text from other bytes, as WebSocket does.
/// Others carry everything as binary.
public enum MessageKind: Sendable { case binary, text }

/// A piece of a message that waits to be read.
struct MessagePiece {
    let count: Int
    let endsMessage: Bool
    let kind: MessageKind
}

extension Link {
    /// What the messages written from now on are. A message is what it was when it began.
    public var outgoingKind: MessageKind {
        get { flags.contains(.writesText) ? .text : .binary }
        set { set(.writesText, to: newValue) }
    }

    /// What the message in the handler's hands is; a driver says so before it delivers any of it.
    public var incomingKind: MessageKind {
        get { flags.contains(.receivesText) ? .text : .binary }
        set { set(.receivesText, to: newValue) }
    }

    /// For drivers: what the message is that they are given to send.
    public internal(set) var sendingKind: MessageKind {
        get { flags.contains(.sendsText) ? .text : .binary }
        set { set(.sendsText, to: newValue) }
    }

    private func set(_ flag: Flags, to kind: MessageKind) {
        if kind == .text { flags.insert(flag) } else { flags.remove(flag) }
    }
}
