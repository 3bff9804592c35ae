public import OmniwayTransport

extension App: HookTable {
    public func put(_ hook: Hook) { change { $0.pipeline.add(hook) } }
}

extension App {
    // MARK: Around sessions

    /// Looks at what a client says first; an error refuses it. A name that stands already is replaced.
    public func validate(_ name: String, _ check: @escaping @Sendable (Handshake) throws -> Void) {
        change { blueprint in
            blueprint.validators.removeAll { $0.name == name }
            blueprint.validators.append((name, check))
        }
    }

    /// Decides whether a client may come in: by a token in `session.handshake`, which it may ask others about. It may
    /// bind the session, and limit it by `session.expire(after:)`. An error refuses the client.
    public func authenticate(_ check: nonisolated(nonsending) @escaping @Sendable (Session) async throws -> Void) {
        change { $0.authentication = check }
    }

    /// Called when a session is about to be bound; an error keeps it from that.
    public func onBind(_ hook: nonisolated(nonsending) @escaping @Sendable (Session, String) async throws -> Void) {
        change { $0.bindHooks.append(hook) }
    }

    /// Called when a session was bound.
    public func onBound(_ hook: nonisolated(nonsending) @escaping @Sendable (Session, String) async throws -> Void) {
        change { $0.boundHooks.append(hook) }
    }

    /// Called when a session has ended.
    public func onClose(_ hook: @escaping @Sendable (Session, CloseReason) -> Void) {
        change { $0.closeHooks.append(hook) }
    }

    // MARK: Routes

    /// Routes that go as two bytes instead of their text, both ways; clients learn them in the handshake.
    public func compress(_ routes: [String: UInt16]) {
        change { $0.dictionary += routes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}
