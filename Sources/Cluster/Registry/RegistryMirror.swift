import OmniwayTransport

/// A copy of all keys with a prefix, on one loop, that follows the store: for what is asked more often than it changes.
///
/// ```swift
/// let servers = RegistryMirror(registry.on(loop), prefix: "servers/") { change in … }
/// servers["servers/room/1"]?.value
/// ```
///
/// It tells each change after it was made here, in the order of the store. After a reset it tells what is different
/// from before, by the order of the keys; so who follows the changes has the same as the copy, whatever happened.
public final class RegistryMirror {
    public let prefix: RegistryBytes
    /// The copy is what the store was at this revision or later; 0 before the first reset.
    public private(set) var revision: Int64 = 0
    /// Keys beyond `limit` are not kept: then ask the store for what is missing here.
    public private(set) var isComplete = true
    private let limit: Int
    private let registry: LocalRegistry
    private let changed: (RegistryChange) -> Void
    private var table: [RegistryBytes: RegistryEntry] = [:]
    private var watch: RegistryWatch?
    private var waiting: [() -> Void] = []

    /// `changed` is also told what there is at first, as changes without a previous entry.
    public init(
        _ registry: LocalRegistry, prefix: RegistryBytes, limit: Int = 1_000_000,
        changed: @escaping (RegistryChange) -> Void = { _ in }
    ) {
        (self.registry, self.prefix, self.limit, self.changed) = (registry, prefix, limit, changed)
        watch = registry.watch(.prefix(prefix)) { [weak self] in self?.take($0) }
    }

    deinit { watch?.cancel() }

    /// It stops following; what it holds stays.
    public func end() { exchange(&watch, with: nil)?.cancel() }

    public subscript(key: RegistryBytes) -> RegistryEntry? { table[key] }
    public var count: Int { table.count }
    /// Whether the store has been read once.
    public var isReady: Bool { revision > 0 }
    /// All entries in the order of their keys. It sorts, so not for every message.
    public var entries: [RegistryEntry] { table.values.sorted { $0.key < $1.key } }

    /// Calls once, when the store has been read for the first time; at once if it has been.
    public func whenReady(_ then: @escaping () -> Void) { if isReady { then() } else { waiting.append(then) } }

    private func take(_ event: RegistryWatchEvent) {
        switch event {
        case .reset(let listing): reset(listing)
        case .changed(let changes):
            for change in changes where watch != nil {
                let previous = table[change.key]
                set(change.key, change.entry)
                revision = change.revision
                tell(change.key, previous)
            }
        }
    }

    private func reset(_ listing: RegistryListing) {
        let before = exchange(&table, with: [:])
        table.reserveCapacity(min(limit, listing.entries.count))
        isComplete = true
        for entry in listing.entries { set(entry.key, entry) }
        revision = listing.revision
        let gone = before.keys.filter { table[$0] == nil }
        let keys = (gone + listing.entries.map(\.key)).sorted()
        for key in keys where watch != nil && before[key] != table[key] { tell(key, before[key]) }
        for then in exchange(&waiting, with: []) { then() }
    }

    private func set(_ key: RegistryBytes, _ entry: RegistryEntry?) {
        if entry != nil, table[key] == nil, table.count >= limit {
            isComplete = false
        } else {
            table[key] = entry
        }
    }

    /// What was kept of it, not what the store knew of its past: the two are the same but for a mirror at its limit.
    private func tell(_ key: RegistryBytes, _ previous: RegistryEntry?) {
        let now = table[key]
        if now != nil || previous != nil {
            changed(RegistryChange(key: key, entry: now, previous: previous, revision: revision))
        }
    }
}
