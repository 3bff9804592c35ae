public import OmniwayTransport

/// Where a registry keeps what it knows.
public struct RegistryStore: Sendable {
    enum Kind: Sendable {
        case memory(LoopBound<MemoryStore>?)
        case sqlite(path: String, RegistryHistory)
        case etcd(EtcdSettings)
    }
    let kind: Kind

    /// In this process, for as long as it runs. On a simulated loop leases end in simulated time.
    public static let memory = RegistryStore(kind: .memory(nil))

    /// The same, shared by several registries: the nodes of a simulated world.
    public static func memory(_ store: LoopBound<MemoryStore>) -> RegistryStore {
        RegistryStore(kind: .memory(store))
    }

    /// In a file, for the processes of one machine. It outlives them, also when they are killed; what was written in
    /// the last moments before the power failed may be missing.
    public static func sqlite(_ path: String, history: RegistryHistory = RegistryHistory()) -> RegistryStore {
        RegistryStore(kind: .sqlite(path: path, history))
    }

    /// In a cluster of etcd 3.4 or newer, for machines that reach it.
    public static func etcd(_ settings: EtcdSettings) -> RegistryStore { RegistryStore(kind: .etcd(settings)) }

    /// Files and sockets are not to be had in simulated time.
    func checkClock(of loop: EventLoop) throws(RegistryError) {
        if case .manual = loop.clock {
            throw RegistryError(.invalid, "a simulated loop has no files and no sockets; use a registry in memory")
        }
    }
}
