/// What runs before or after handlers. Made by the `before` and `after` of an app or its remotes.
public struct Hook: Sendable {
    enum Place: Sendable {
        case before(Pipeline.Before)
        case after(Pipeline.After)
    }
    let place: Place
}

/// Where handlers have functions around them: an app, or its remotes.
public protocol HookTable: HandlerTable {
    func put(_ hook: Hook)
}

extension HookTable {
    /// Runs before every handler, in the order of these calls, and may change the body and the context. An error is the
    /// answer, and the handler does not run.
    public func before(_ hook: @escaping @Sendable (inout [UInt8], Context) throws -> Void) {
        put(Hook(place: .before(.plain(hook))))
    }

    public func before(
        _ hook: nonisolated(nonsending) @escaping @Sendable (inout [UInt8], Context) async throws -> Void
    ) {
        put(Hook(place: .before(.async(hook))))
    }

    /// Runs after every handler, also one that failed, and may replace result and error.
    public func after(_ hook: @escaping @Sendable (inout Result<[UInt8], any Error>, Context) -> Void) {
        put(Hook(place: .after(.plain(hook))))
    }

    public func after(
        _ hook: nonisolated(nonsending) @escaping @Sendable (inout Result<[UInt8], any Error>, Context) async -> Void
    ) {
        put(Hook(place: .after(.async(hook))))
    }
}
