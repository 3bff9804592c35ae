public import OmniwayTransport

extension App {
    // MARK: Around handlers

    /// Runs before every handler, in the order of these calls, and may change the body and the context. An error is the
    /// answer, and the handler does not run.
    public func before(_ hook: @escaping @Sendable (inout [UInt8], Context) throws -> Void) {
        change { $0.pipeline.before.append(.plain(hook)) }
    }

    public func before(
        _ hook: nonisolated(nonsending) @escaping @Sendable (inout [UInt8], Context) async throws -> Void
    ) {
        change { $0.pipeline.before.append(.async(hook)) }
    }

    /// Runs after every handler, also one that failed, and may replace result and error.
    public func after(_ hook: @escaping @Sendable (inout Result<[UInt8], any Error>, Context) -> Void) {
        change { $0.pipeline.after.append(.plain(hook)) }
    }

    public func after(
        _ hook: nonisolated(nonsending) @escaping @Sendable (inout Result<[UInt8], any Error>, Context) async -> Void
    ) {
        change { $0.pipeline.after.append(.async(hook)) }
    }

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
