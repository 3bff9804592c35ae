import OmniwayTransport

/// A registry's way to a store in memory, which can be cut for a while to see what happens then.
final class MemoryDriver: RegistryDriver {
    var heard: ((RegistryError?) -> Void)?
    private let store: MemoryStore
    private var feeds: [RegistryFeed] = []
    private var isAway = false

    init(_ store: MemoryStore) {
        self.store = store
        store.add(self)
    }

    func perform(
        _ request: DriverRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void
    ) {
        if isAway { return answer(.failure(RegistryError(.unavailable, "the registry is away, as a test wants it"))) }
        do throws(RegistryError) {
            answer(.success(try store.perform(request)))
        } catch { answer(.failure(error)) }
    }

    func follow(_ feed: RegistryFeed) {
        feeds.append(feed)
        pump()
    }

    func unfollow(_ feed: RegistryFeed) { feeds.removeAll { $0 === feed } }

    /// Gives each feed what is new to it.
    func pump() {
        if isAway { return }
        feeds.removeAll { feed in
            while feed.next <= store.revision {
                if feed.next <= store.compacted { return feed.lose() }
                let changes = store.changes(from: feed.next)
                guard let last = changes.last else {
                    feed.next = store.revision + 1
                    break
                }
                if !feed.offer(changes, through: last.revision) { return true }
            }
            return false
        }
    }

    func simulateOutage(_ isAway: Bool) {
        self.isAway = isAway
        pump()
    }

    func close(_ done: @escaping () -> Void) {
        feeds = []
        store.remove(self)
        done()
    }
}
