import OmniwayTelemetry

/// A sink that keeps the lines, and whose first line waits until it may pass.
final class Collected: Sendable {
    private struct State {
        var lines: [String] = []
        var isHeld: Bool
        var hasArrived = false
    }
    private let state: Lock<State>
    private let changed = Condition()

    init(isHeld: Bool = false) { state = Lock(State(isHeld: isHeld)) }

    var lines: [String] { state.withLock { $0.lines } }

    var destination: LogDestination {
        .sink { [self] line in
            state.withLock { $0.hasArrived = true }
            changed.wakeAll()
            state.withLock(when: { !$0.isHeld }, wokenBy: changed) { $0.lines.append(line) }
            changed.wakeAll()
        }
    }

    /// Returns when a line stands before the gate.
    func waitForArrival() { state.withLock(when: { $0.hasArrived }, wokenBy: changed) { _ in } }

    /// Returns when `count` lines have passed.
    func waitForLines(_ count: Int) { state.withLock(when: { $0.lines.count >= count }, wokenBy: changed) { _ in } }

    func letPass() {
        state.withLock { $0.isHeld = false }
        changed.wakeAll()
    }
}
