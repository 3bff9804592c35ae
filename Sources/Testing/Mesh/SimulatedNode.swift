package import OmniwayWire

/// A node of a `SimulatedMesh`.
package final class SimulatedNode {
    let id: NodeID
    let identity: NodeIdentity?
    package internal(set) var overlay: Overlay
    var random: SeededRandom
    var isAlive = true
    var pausedUntil = Duration.zero
    var tickAt = Duration.never
    /// How often it was started.
    var starts: UInt64 = 1

    init(
        _ id: NodeID, identity: NodeIdentity?, name: String, _ settings: Overlay.Settings, at now: Duration,
        random: SeededRandom
    ) {
        (self.id, self.identity, self.random) = (id, identity, random)
        overlay = Overlay(
            MeshContact(id, name: name, epoch: 1), identity: identity, settings, at: now, random: &self.random)
    }

    /// It remembers nothing but who it is.
    func restart(_ settings: Overlay.Settings, at now: Duration) {
        isAlive = true
        starts += 1
        tickAt = .never
        let contact = MeshContact(id, name: overlay.contact.name, epoch: starts)
        overlay = Overlay(contact, identity: identity, settings, at: now, random: &random)
    }
}
