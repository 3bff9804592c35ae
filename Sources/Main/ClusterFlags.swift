import Omniway
package import OmniwayArguments

/// Where a cluster is: flags of every command that has to do with one.
package enum ClusterFlags {
    static let etcd = Flag(
        "etcd", .strings, default: [], placeholder: "url",
        help: "The cluster's registry: http://host:2379 or https://; by default on this machine. May be repeated.")
    static let nats = Flag(
        "nats", .strings, default: [], placeholder: "url",
        help: "The cluster's bus: nats://host:4222 or tls://; by default on this machine. May be repeated.")
    static let prefix = Flag(
        "prefix", .string, default: "pitaya/", placeholder: "text",
        help: "What its keys in the registry begin with; clusters that share one have different ones.")

    package static let all: [any AnyFlag] = [etcd, nats, prefix]

    /// What was given counts more than what the settings have.
    package static func apply(_ call: Invocation, to settings: inout ClusterSettings) {
        if call.given(etcd) { settings.etcd.endpoints = call[etcd] }
        if call.given(nats) { settings.nats = call[nats] }
        if call.given(prefix) { settings.prefix = call[prefix] }
    }

    static func isGiven(_ call: Invocation) -> Bool { call.given(etcd) || call.given(nats) || call.given(prefix) }
}
