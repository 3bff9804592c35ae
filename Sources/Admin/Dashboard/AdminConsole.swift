import OmniwayTelemetry

/// What the dashboard can show and do: parts add to it when they start.
public final class AdminConsole: Sendable {
    private struct State {
        var views: [AdminView] = []
        var actions: [AdminAction] = []
    }

    private let state = Lock(State())

    init() {}

    public func add(_ view: AdminView) { state.withLock { $0.views.append(view) } }
    public func add(_ action: AdminAction) { state.withLock { $0.actions.append(action) } }

    var views: [AdminView] { state.withLock { $0.views } }
    var actions: [AdminAction] { state.withLock { $0.actions } }
}
