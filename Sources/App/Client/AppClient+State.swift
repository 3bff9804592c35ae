import OmniwayTelemetry
public import OmniwayTransport

extension AppClient {
    public enum State: Sendable, Equatable {
        case connected
        /// The connection was lost, and another one is on its way.
        case lost(CloseReason)
        /// For good: kicked, refused, disconnected, or lost without a way back.
        case ended(AppClientError)
    }
}

/// How a client is doing, for whoever asks and whoever watches.
final class ClientStates: Sendable {
    private let all = Lock(All())
    private struct All {
        /// Nobody sees a client before it is connected.
        var current = AppClient.State.connected
        var watchers: [NewestQueue<AppClient.State>] = []
    }

    var current: AppClient.State { all.withLock { $0.current } }

    /// Why nothing can be sent; nil while there is a connection.
    var whyNot: AppClientError? {
        switch current {
        case .lost(let reason): .lost(reason)
        case .ended(let error): error
        case .connected: nil
        }
    }

    /// The end stays.
    func enter(_ state: AppClient.State) {
        let watchers = all.withLock { all -> [NewestQueue<AppClient.State>] in
            if case .ended = all.current { return [] }
            all.current = state
            return all.watchers
        }
        for watcher in watchers {
            _ = watcher.put(state)
            if case .ended = state { watcher.end() }
        }
    }

    func watch() -> NewestQueue<AppClient.State> {
        let (queue, hasEnded) = all.withLock { all -> (NewestQueue<AppClient.State>, Bool) in
            let queue = NewestQueue([all.current], most: Self.most)
            if case .ended = all.current { return (queue, true) }
            all.watchers.append(queue)
            return (queue, false)
        }
        if hasEnded { queue.end() }
        return queue
    }

    func remove(_ queue: NewestQueue<AppClient.State>) { all.withLock { $0.watchers.removeAll { $0 === queue } } }

    private static let most = 16
}

/// What becomes of a client: its state now, then each change, up to the end. Of a watcher that is far behind the
/// oldest changes are forgotten.
public struct AppClientStates: AsyncSequence, Sendable {
    private let watching: Watching

    init(_ states: ClientStates) { watching = Watching(states) }

    public func makeAsyncIterator() -> Iterator { Iterator(watching: watching) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let watching: Watching

        /// Nil after the end, and when the task was cancelled.
        public func next(isolation: isolated (any Actor)? = #isolation) async -> AppClient.State? {
            await watching.queue.next()
        }
    }

    fileprivate final class Watching: Sendable {
        private let states: ClientStates
        let queue: NewestQueue<AppClient.State>
        init(_ states: ClientStates) { (self.states, queue) = (states, states.watch()) }
        deinit { states.remove(queue) }
    }
}
