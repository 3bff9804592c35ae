import OmniwayTelemetry

/// The modules of an app, and how far they have come.
final class AppModules: Sendable {
    private let all: [(name: String, module: any Module)]
    private let reached = Lock(Reached())

    private struct Reached {
        var started = 0
        /// Of these, those that know that all have started.
        var told = 0
    }

    init(_ all: [(name: String, module: any Module)]) { self.all = all }

    func start(_ app: App) async throws(AppStartError) {
        for (name, module) in all {
            do { try await module.start(app) } catch { throw .module(name, error) }
            reached.withLock { $0.started += 1 }
        }
        for (name, module) in all {
            do { try await module.afterStart(app) } catch { throw .module(name, error) }
            reached.withLock { $0.told += 1 }
        }
    }

    func startDraining(_ app: App) { for (_, module) in all { module.startDraining(app) } }

    /// None has sessions of its own.
    var areEmpty: Bool { all.allSatisfy { $0.module.sessionCount <= 0 } }

    func beforeStop(_ app: App) async {
        let told = reached.withLock { exchange(&$0.told, with: 0) }
        for (_, module) in all[..<told].reversed() { await module.beforeStop(app) }
    }

    func stop(_ app: App) async {
        let started = reached.withLock { exchange(&$0.started, with: 0) }
        for (_, module) in all[..<started].reversed() { await module.stop(app) }
    }
}

extension AppBlueprint {
    /// Names that stand twice.
    var moduleFaults: [String] {
        var known: Set<String> = []
        return modules.compactMap { name, _ in
            known.insert(name).inserted ? nil : "two modules are named \(name); their names tell them apart"
        }
    }
}
