public import OmniwayCluster
public import OmniwayWire

extension App {
    /// Makes this server one of a cluster: its clients reach the handlers of the others, and the others its own. How,
    /// `settings.cluster` says. Registry and bus are closed by whoever has opened them, after the app has stopped.
    ///
    /// ```swift
    /// app.join(registry: try await .open(.etcd(etcd), on: loop), bus: try NATSBus(nats))
    /// ```
    public func join(registry: Registry, bus: any Bus) { change { $0.place = (registry, bus) } }

    /// Chooses the server of a type that a client's message goes on to, where it is not left to chance.
    public func route(
        to type: String, _ choose: @escaping @Sendable (Context, [UInt8], [ClusterServer]) throws -> ClusterServer
    ) {
        change { $0.choices[type] = choose }
    }

    /// The servers that are known now, sorted by type and id. This one is among them when it is registered.
    public var servers: [ClusterServer] { server?.member?.servers.all ?? [] }

    /// What of the cluster this server cannot use now, in words; nothing while all is well. It serves on meanwhile, as
    /// `docs/cluster.md` says.
    public var troubles: [String] { server?.member?.troubles ?? [] }

    public func servers(ofType type: String) -> [ClusterServer] { server?.member?.servers.ofType(type) ?? [] }

    /// Called when other servers come and go.
    public func onServer(_ hook: @escaping @Sendable (ClusterChange) -> Void) {
        change { $0.serverHooks.append(hook) }
    }
}

/// What happens to the other servers of a cluster.
public enum ClusterChange: Sendable, Equatable {
    case came(ClusterServer)
    case went(ClusterServer)
}
