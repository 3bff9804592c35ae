public import OmniwayCluster

/// How a server is one of its cluster.
public struct ClusterSettings: Sendable {
    /// In front of all keys: clusters that share a registry have different ones.
    public var prefix = "pitaya/"
    /// Whether clients connect to this server. Where that is not said, they do when it listens.
    public var isFrontend: Bool?
    /// What other servers may know of this one.
    public var metadata: [String: String] = [:]
    /// Types of servers that do not concern this one.
    public var ignoredTypes: Set<String> = []
    /// How long the others believe in a server that says nothing more.
    public var lease = Duration.seconds(60)
    /// How long another server may take to answer.
    public var callLimit = Duration.seconds(5)
    /// A user has one session in the whole cluster, the newest; otherwise one on each frontend.
    public var uniqueSessions = true
    /// Most members of a group that the servers share, and most groups and members together.
    public var groupMembers = 10_000
    public var groupKeys = 1_000_000
    /// Calls that are made until they have succeeded.
    public var reliable = ReliableCallSettings()
    /// Where the registry is, for who does not open it: `App.main` with `--cluster`.
    public var etcd = EtcdSettings("http://localhost:2379")
    /// Where the bus is, likewise, and who this is to it where its addresses do not say so.
    public var nats = ["nats://localhost:4222"]
    public var natsCredentials = NATSCredentials.none
    /// Whom to trust with `tls://`; the system's roots where that is not said.
    public var natsTLS: NATSTLS?

    public init() {}

    /// How the bus is opened.
    package func natsSettings() throws(BusError) -> NATSSettings {
        var settings = try NATSSettings(nats)
        (settings.credentials, settings.tls) = (natsCredentials, natsTLS)
        return settings
    }

    /// What cannot be, in words.
    var faults: [String] {
        var faults: [String] = []
        if lease < .seconds(1) { faults.append("the cluster's lease is \(lease); at least a second") }
        if callLimit < .milliseconds(1) { faults.append("the cluster's callLimit is \(callLimit); at least 1 ms") }
        if groupMembers < 1 || groupKeys < 1 {
            faults.append("the cluster's groupMembers and groupKeys are \(groupMembers) and \(groupKeys); at least 1")
        }
        return faults + reliable.faults
    }
}

/// The cluster that an app has joined.
struct AppCluster: Sendable {
    let registry: Registry
    let bus: any Bus
    let settings: ClusterSettings
}
