import OmniwayTelemetry
import OmniwayTransport

/// Changes on their way from a driver to the loop of a watch: bounded, in order, none twice.
final class RegistryFeed: Sendable {
    private struct State {
        var waiting: [RegistryChange] = []
        var bytes = 0
        /// The revision from which the driver goes on.
        var next: Int64
        var isLost = false
        var hasEnded = false
        /// The watch's loop knows that something waits.
        var isAnnounced = false
    }

    let keys: RegistryKeys
    private let state: Lock<State>
    private let limits: RegistryLimits
    private let announce: @Sendable () -> Void

    /// `announce` is called on the driver's loop when something waits after nothing did.
    init(_ keys: RegistryKeys, from next: Int64, _ limits: RegistryLimits, announce: @escaping @Sendable () -> Void) {
        (self.keys, self.limits, self.announce) = (keys, limits, announce)
        state = Lock(State(next: next))
    }

    // MARK: The driver's side

    /// Everything before this revision was offered.
    var next: Int64 {
        get { state.withLock { $0.next } }
        set { state.withLock { $0.next = max($0.next, newValue) } }
    }

    /// Takes those that are new and of its keys; all of every revision up to `last` must be among them. False when it
    /// wants no more.
    func offer(_ changes: some Sequence<RegistryChange>, through last: Int64) -> Bool {
        let (keys, limits) = (keys, limits)
        let next = next
        let wanted = changes.filter { $0.revision >= next && keys.contains($0.key) }
        let bytes = wanted.reduce(0) { $0 + $1.byteCount }
        let (goesOn, isNews) = state.withLock { state -> (Bool, Bool) in
            if state.hasEnded || state.isLost { return (false, false) }
            state.next = max(state.next, last + 1)
            if wanted.isEmpty { return (true, false) }
            // One batch is taken whatever its size: a single transaction may be larger than the limit.
            let isFull =
                state.waiting.count + wanted.count > limits.waitingChanges
                || state.bytes + bytes > limits.waitingBytes
            if isFull && !state.waiting.isEmpty {
                state.isLost = true
                (state.waiting, state.bytes) = ([], 0)
            } else {
                state.waiting += wanted
                state.bytes += bytes
            }
            let isNews = !state.isAnnounced
            state.isAnnounced = true
            return (!state.isLost, isNews)
        }
        if isNews { announce() }
        return goesOn
    }

    /// Changes are missing, so the watch must start over. Always true, for a driver that then forgets the feed.
    @discardableResult
    func lose() -> Bool {
        let isNews = state.withLock { state in
            if state.hasEnded || state.isLost { return false }
            state.isLost = true
            defer { state.isAnnounced = true }
            return !state.isAnnounced
        }
        if isNews { announce() }
        return true
    }

    // MARK: The watch's side

    /// What waits, and whether something is missing behind it.
    func take() -> (changes: [RegistryChange], isLost: Bool) {
        state.withLock { state in
            defer { (state.waiting, state.bytes, state.isAnnounced) = ([], 0, false) }
            return (state.waiting, state.isLost)
        }
    }

    /// Whatever a driver still has for it goes nowhere.
    func end() { state.withLock { ($0.hasEnded, $0.waiting, $0.bytes) = (true, [], 0) } }
}
