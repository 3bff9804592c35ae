/// One connection as its client sees it, which has sent its handshake and waits for the answer. It says what is to be
/// done with a packet, and does nothing itself.
package struct PomeloJoining: ~Copyable {
    package enum Phase: String, Sendable {
        case start = "before the answer to the handshake"
        case working = "while the connection works"
        case closed = "after the end"
    }

    package enum Action: Equatable {
        /// The packet's body is the answer: read it and say `answered`.
        case readAnswer
        /// Send the ack; messages may come and go.
        case acknowledge
        /// The packet's body is a message.
        case deliver
        /// The server wants this client to leave, and will close.
        case leave
        case ignore
        case close(PomeloError)
    }

    package private(set) var phase = Phase.start

    package init() {}

    package mutating func receive(_ packet: PomeloPacket.Kind) -> Action {
        switch (phase, packet) {
        case (.closed, _): return .ignore
        case (.start, .heartbeat), (.working, .heartbeat): return .ignore  // A server's begin when it accepts.
        case (.start, .handshake): return .readAnswer
        case (.working, .data): return .deliver
        case (.start, .kick), (.working, .kick):
            phase = .closed
            return .leave
        case (.start, .data), (.start, .handshakeAck), (.working, .handshake), (.working, .handshakeAck):
            return close(.outOfTurn(packet, when: phase.rawValue))
        }
    }

    /// What the answer's code was.
    package mutating func answered(code: Int) -> Action {
        switch phase {
        case .start where code == PomeloHandshakeAnswer.accepted:
            phase = .working
            return .acknowledge
        case .start: return close(.handshakeRefused(code: code))
        case .working, .closed: return .ignore
        }
    }

    /// The time that the server has for its answer is over.
    package mutating func deadlinePassed() -> Action {
        switch phase {
        case .start: close(.handshakeTooSlow)
        case .working, .closed: .ignore
        }
    }

    /// The connection has ended, whoever ended it.
    package mutating func close() { phase = .closed }

    private mutating func close(_ error: PomeloError) -> Action {
        phase = .closed
        return .close(error)
    }
}
