import OmniwayTelemetry

/// The loops that accept the links of an in-process transport.
final class Intakes: Sendable {
    struct Door: Sendable {
        let mailbox: Mailbox<PipeMail>
        let accept: @Sendable (Loop, LinkTraits) -> Link?
    }

    private struct State {
        var doors: [Door] = []
        var next = 0
    }
    private let state = Lock(State())

    func set(_ doors: [Door]) { state.withLock { $0 = State(doors: doors) } }

    func next() -> Door? {
        state.withLock { state in
            guard !state.doors.isEmpty else { return nil }
            state.next = (state.next + 1) % state.doors.count
            return state.doors[state.next]
        }
    }
}
