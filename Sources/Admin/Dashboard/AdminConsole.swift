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

    /// All parts that have something to say on this page.
    func views(named name: String) -> [AdminView] { state.withLock { $0.views.filter { $0.name == name } } }

    /// The pages, in the order of their first parts; those that only operators see come last.
    func pages(for role: AdminSessions.Role) -> [String] {
        let views = state.withLock { $0.views }
        let forAll = views.filter { !$0.isForOperators }
        var pages: [String] = []
        for view in role == .operate ? forAll + views.filter(\.isForOperators) : forAll
        where !pages.contains(view.name) {
            pages.append(view.name)
        }
        return pages
    }

    var actions: [AdminAction] { state.withLock { $0.actions } }
}
