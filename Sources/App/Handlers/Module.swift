/// Something that lives as long as the app: a store, a matchmaker, a connection to elsewhere. All start in the order in
/// which they were added, before the app listens, and stop in reverse, when it has let go of all sessions.
///
/// ```swift
/// final class Matches: Module {
///     let name = "matches"
///     func start(_ app: App) async throws { app.every(.seconds(1)) { self.pair(app) } }
/// }
/// app.add(Matches())
/// ```
public protocol Module: AnyObject, Sendable {
    /// What it is called in the log and in errors; no two modules of an app share one.
    var name: String { get }
    /// An error keeps the app from starting. Those that have started already are stopped then.
    func start(_ app: App) async throws
    /// When all have started; an error counts like one at the start.
    func afterStart(_ app: App) async throws
    /// When the app is told to stop and `settings.drain` says that sessions may leave by themselves.
    func startDraining(_ app: App)
    /// Sessions of its own, for which draining waits; zero for none.
    var sessionCount: Int { get }
    /// When messages are handled no more, and what sessions there are is about to be closed.
    func beforeStop(_ app: App) async
    /// When the last session has ended.
    func stop(_ app: App) async
}

extension Module {
    public func start(_ app: App) async throws {}
    public func afterStart(_ app: App) async throws {}
    public func startDraining(_ app: App) {}
    public var sessionCount: Int { 0 }
    public func beforeStop(_ app: App) async {}
    public func stop(_ app: App) async {}
}

extension App {
    /// Adds something that starts and stops with the app, after those that were added before.
    public func add(_ module: some Module) {
        // Whoever holds a service as a module must not lose its handlers.
        if let service = module as? any Service { return add(service, name: service.name) }
        change { $0.modules.append((module.name, module)) }
    }
}
