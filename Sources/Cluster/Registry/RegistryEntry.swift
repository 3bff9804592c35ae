/// A key with its value, and when it came to be what it is.
public struct RegistryEntry: Sendable, Equatable {
    public let key: RegistryBytes
    public let value: RegistryBytes
    /// The revision of the store in which the key came.
    public let created: Int64
    /// The revision in which it was last put.
    public let modified: Int64
    /// How often it was put since it came: 1 for a new key.
    public let version: Int64
    /// The lease with which it goes; 0 for a key that stays.
    public let lease: Int64

    public init(
        key: RegistryBytes, value: RegistryBytes, created: Int64, modified: Int64, version: Int64, lease: Int64 = 0
    ) {
        (self.key, self.value, self.lease) = (key, value, lease)
        (self.created, self.modified, self.version) = (created, modified, version)
    }

    var byteCount: Int { key.count + value.count }
    var withoutValue: RegistryEntry {
        RegistryEntry(key: key, value: "", created: created, modified: modified, version: version, lease: lease)
    }
}

/// What a prefix held at one revision of the store, in the order of the keys.
public struct RegistryListing: Sendable, Equatable {
    public let entries: [RegistryEntry]
    public let revision: Int64

    public init(entries: [RegistryEntry], revision: Int64) { (self.entries, self.revision) = (entries, revision) }
}

/// One key that was put or went, and what it was before.
public struct RegistryChange: Sendable, Equatable {
    public let key: RegistryBytes
    /// What it is now; nil when it was deleted, or its lease ended.
    public let entry: RegistryEntry?
    /// What it was before; nil for a new key.
    public let previous: RegistryEntry?
    /// The revision of the store that the change made. Changes of one transaction have the same.
    public let revision: Int64

    public init(key: RegistryBytes, entry: RegistryEntry?, previous: RegistryEntry?, revision: Int64) {
        (self.key, self.entry, self.previous, self.revision) = (key, entry, previous, revision)
    }

    var byteCount: Int { key.count + (entry?.byteCount ?? 0) + (previous?.byteCount ?? 0) }
}
