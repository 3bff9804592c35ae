import ClusterSupport
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// What a suite for all drivers runs on: one store, and two registries that use it as two programs would.
final class RegistrySubject: Sendable {
    enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case memory, sqlite, etcd
        var testDescription: String { rawValue }
    }

    let kind: Kind
    let loop: EventLoop
    let registry: Registry
    let other: Registry
    private let store: RegistryStore
    /// What must live as long as the store does.
    private let holds: [any Sendable]

    init(_ kind: Kind, limits: RegistryLimits = RegistryLimits()) async throws {
        self.kind = kind
        loop = EventLoop()
        switch kind {
        case .memory:
            store = .memory(await loop.own { MemoryStore(on: $0) })
            holds = []
        case .sqlite:
            let folder = try TemporaryFolder()
            store = .sqlite(folder.file("registry.db"))
            holds = [folder]
        case .etcd:
            let server = try await EtcdServer()
            var settings = EtcdSettings()
            settings.endpoints = server.endpoints
            store = .etcd(settings)
            holds = [server]
        }
        registry = try await Registry.open(store, on: loop, limits: limits)
        other = try await Registry.open(store, on: loop, limits: limits)
    }

    func end() async {
        await registry.close()
        await other.close()
        await loop.shutdown()
        for case let server as EtcdServer in holds { await server.stop() }
    }

    /// One more, on a loop of its own where the store can be shared by loops.
    func third(on loop: EventLoop) async throws -> Registry {
        try await Registry.open(store, on: kind == .memory ? self.loop : loop)
    }

    /// A watch of the other registry, whose events are awaited one by one.
    func watch(_ keys: RegistryKeys, from revision: Int64? = nil) async -> WatchedEvents {
        await WatchedEvents(other, on: loop, keys, from: revision)
    }
}

/// What a watch tells, for a test that waits for it.
final class WatchedEvents: Sendable {
    private final class Watcher {
        private let registry: LocalRegistry
        private(set) var watch: RegistryWatch?
        private(set) var told = 0
        init(
            _ registry: LocalRegistry, _ keys: RegistryKeys, _ revision: Int64?,
            _ tell: @escaping (RegistryWatchEvent) -> Void
        ) {
            self.registry = registry
            watch = registry.watch(keys, from: revision) { [weak self] event in
                self?.told += 1
                tell(event)
            }
        }
    }

    private let watcher: LoopBound<Watcher>
    private let events: AsyncStream<RegistryWatchEvent>

    init(_ registry: Registry, on loop: EventLoop, _ keys: RegistryKeys, from revision: Int64? = nil) async {
        let (events, tell) = AsyncStream<RegistryWatchEvent>.makeStream()
        self.events = events
        watcher = await loop.own { Watcher(registry.on($0), keys, revision) { tell.yield($0) } }
    }

    func next() async -> RegistryWatchEvent? {
        for await event in events { return event }
        return nil
    }

    /// How many events there were.
    var told: Int { get async { await watcher.run { _, watcher in watcher.told } } }

    func cancel() async { await watcher.run { _, watcher in watcher.watch?.cancel() } }

    /// The next event, which must be a reset.
    func reset() async -> RegistryListing? { if case .reset(let listing) = await next() { listing } else { nil } }

    /// So many changes, in however many events they come.
    func changes(_ count: Int) async -> [RegistryChange] {
        var changes: [RegistryChange] = []
        while changes.count < count, case .changed(let more) = await next() { changes += more }
        return changes
    }
}

extension RegistryChange {
    /// `key=value`, or `-key` for one that went.
    var short: String { entry.map { "\($0.key)=\($0.value)" } ?? "-\(key)" }
}

/// The code of the error that `body` throws; nil when it throws none.
func code(_ body: () async throws(RegistryError) -> Void) async -> RegistryError.Code? {
    do throws(RegistryError) {
        try await body()
        return nil
    } catch { return error.code }
}
