import OmniwayTransport

/// A message whose handler may wait: a task of the loop.
final class Call: LoopTask, TimerTarget {
    let context: Context
    let id: UInt64
    let route: Route
    private let connection: AppConnection
    private let body: [UInt8]
    private var task: StartedTask?
    private var deadline: TimerID?
    private var hasBegun = false
    /// The client has an answer, or is gone.
    private var isOver = false

    init(_ connection: AppConnection, _ context: Context, id: UInt64, _ route: Route, _ body: [UInt8]) {
        (self.connection, self.context, self.id, self.route, self.body) = (connection, context, id, route, body)
    }

    func started(_ task: StartedTask) {
        self.task = task
        if let limit = connection.shard.plan.settings.callLimit {
            deadline = connection.shard.loop.after(limit, self)
        }
    }

    nonisolated(nonsending) func run() async {
        hasBegun = true
        connection.began(self)
        let outcome = await connection.shard.plan.pipeline.run(route.handler.body, body, context)
        finish(outcome)
        task = nil
        connection.ended(self)
    }

    private func finish(_ outcome: Result<[UInt8], any Error>) {
        if let deadline { connection.shard.loop.cancel(deadline) }
        deadline = nil
        if isOver { return }
        isOver = true
        connection.answer(outcome, id: id, route, context)
    }

    /// The handler took too long. It is cancelled, and whatever it still does has no answer.
    func timerFired(_ token: UInt64, on loop: Loop) {
        finish(.failure(AppError(AppError.timeout, "the handler took too long")))
        cancel()
    }

    func cancel() {
        isOver = true
        if let deadline { connection.shard.loop.cancel(deadline) }
        task?.cancel()
        context.cancel()
        guard !hasBegun else { return }
        hasBegun = true  // It never will.
        connection.neverBegan(self)
    }
}
