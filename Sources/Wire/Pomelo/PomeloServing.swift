/// One connection as its server sees it. It says what is to be done with a packet, and does nothing itself.
///
/// Where the reference lets an ack come before any handshake, and so lets a client in whose handshake nobody saw, this
/// closes the connection.
package struct PomeloServing: Sendable {
    package enum Phase: String, Sendable {
        case start = "before a handshake"
        /// The handshake is being looked at; the link is not to be read meanwhile.
        case deciding = "before the answer to the handshake"
        case greeted = "before the ack of the handshake"
        case working = "while the connection works"
        case closed = "after the end"
    }

    package enum Action: Equatable {
        /// Look at the packet's handshake and say `accept` or `refuse`.
        case decide
        /// The client is in: its heartbeats have begun to count, and messages may come and go.
        case begin
        /// The packet's body is a message.
        case deliver
        case ignore
        case close(PomeloError)
    }

    package private(set) var phase = Phase.start

    package init() {}

    package mutating func receive(_ packet: PomeloPacket.Kind) -> Action {
        switch (phase, packet) {
        case (.closed, _): return .ignore

        // Both only show that the client lives. The reference ignores a client's kick too.
        case (.start, .heartbeat), (.deciding, .heartbeat), (.greeted, .heartbeat), (.working, .heartbeat),
            (.start, .kick), (.deciding, .kick), (.greeted, .kick), (.working, .kick):
            return .ignore

        // A second handshake is answered like the first, and needs an ack like the first.
        case (.start, .handshake), (.greeted, .handshake), (.working, .handshake):
            phase = .deciding
            return .decide

        case (.greeted, .handshakeAck):
            phase = .working
            return .begin
        case (.working, .handshakeAck): return .ignore

        case (.working, .data): return .deliver

        case (.deciding, .handshake), (.start, .handshakeAck), (.deciding, .handshakeAck), (.start, .data),
            (.deciding, .data), (.greeted, .data):
            return close(.outOfTurn(packet, when: phase.rawValue))
        }
    }

    /// Whether the answer is to be sent: not when the connection ended meanwhile.
    package mutating func accept() -> Bool { decide(.greeted) }

    /// Whether the refusal is to be sent; the connection is to be closed behind it.
    package mutating func refuse() -> Bool { decide(.closed) }

    private mutating func decide(_ next: Phase) -> Bool {
        guard phase == .deciding else { return false }
        phase = next
        return true
    }

    /// The time that a client has for its first handshake and its ack is over. Later ones have no deadline but their
    /// heartbeats.
    package mutating func deadlinePassed() -> Action {
        switch phase {
        case .start, .deciding, .greeted: close(.handshakeTooSlow)
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
