import Omniway

/// A connection to an app, which is asked at a route.
final class LoadApp: LoadConnection {
    private var client: AppClient?

    override func connect() {
        if shard.loop.start(Joining(self)) == nil { lost("too much async work") }
    }

    private final class Joining: LoopTask {
        private let connection: LoadApp
        init(_ connection: LoadApp) { self.connection = connection }

        nonisolated(nonsending) func run() async {
            let plan = connection.shard.plan
            var settings = AppClientSettings()
            (settings.connectLimit, settings.requestLimit) = (plan.patience, plan.patience)
            (settings.mostRequests, settings.reconnect) = (plan.inFlight, nil)
            settings.mostWaiting = max(settings.mostWaiting, plan.inFlight)
            do {
                connection.joined(try await AppClient(over: plan.dialer, on: connection.shard.home, settings))
            } catch { connection.lost(LoadApp.name(of: error)) }
        }
    }

    private func joined(_ client: AppClient) {
        guard phase == .connecting else { return client.disconnect() }
        self.client = client
        opened()
        if shard.loop.start(Watching(self, client)) == nil { lost("too much async work") }
    }

    /// Who says nothing hears too that the connection has ended.
    private final class Watching: LoopTask {
        private let connection: LoadApp
        private let client: AppClient
        init(_ connection: LoadApp, _ client: AppClient) { (self.connection, self.client) = (connection, client) }

        nonisolated(nonsending) func run() async {
            for await state in client.states { if case .ended = state { connection.look(at: client) } }
        }
    }

    override func send(due: Moment) -> Bool {
        guard let client else { return false }
        return shard.loop.start(Asking(self, client, due)) != nil
    }

    private final class Asking: LoopTask {
        private let connection: LoadApp
        private let client: AppClient
        private let due: Moment

        init(_ connection: LoadApp, _ client: AppClient, _ due: Moment) {
            (self.connection, self.client, self.due) = (connection, client, due)
        }

        nonisolated(nonsending) func run() async {
            let plan = connection.shard.plan
            do {
                let answer: [UInt8] = try await client.request(plan.route, plan.body)
                connection.ended(client) { $0.answered(due, at: $0.shard.loop.clockTime, bytes: answer.count) }
            } catch {
                let name = LoadApp.name(of: error)
                // With its connection, which says so of all that was under way.
                if !connection.look(at: client) { connection.ended(client) { $0.failed(name) } }
            }
        }
    }

    /// A request of the present connection has come to its end; those of one that was lost are counted already.
    private func ended(_ client: AppClient, _ note: (LoadApp) -> Void) {
        guard client === self.client else { return }
        note(self)
        if !look(at: client) { goOn() }
    }

    /// Whether the present connection has ended.
    @discardableResult
    private func look(at client: AppClient) -> Bool {
        guard client === self.client, case .ended(let error) = client.state else { return false }
        lost(Self.name(of: error))
        self.client = nil
        return true
    }

    override func hangUp() { exchange(&client, with: nil)?.disconnect() }

    /// Short, so that errors of one kind are counted together.
    private static func name(of error: any Error) -> String {
        switch error {
        case let error as AppError: error.code.isEmpty ? error.message : error.code
        case AppClientError.lost(let reason): reason.name
        default: "\(error)"
        }
    }
}
