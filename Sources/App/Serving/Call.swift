import OmniwayTransport

/// A message that has no answer yet.
protocol UnderWay: AnyObject {
    /// Nobody waits for it any more.
    func cancel()
}

/// Who waits for the outcome of a call.
protocol Caller: AnyObject {
    func began(_ call: Call)
    /// Its time was over, or nobody wanted it any more, in the turn in which it came.
    func neverBegan(_ call: Call)
    func answer(_ outcome: Result<[UInt8], any Error>, id: UInt64, _ route: Route, _ context: Context)
    func ended(_ call: any UnderWay)
}

/// A message whose handler may wait: a task of the loop.
final class Call: LoopTask, TimerTarget, UnderWay {
    let context: Context
    let id: UInt64
    let route: Route
    private let caller: any Caller
    private let body: [UInt8]
    private var task: StartedTask?
    private var deadline: TimerID?
    private var hasBegun = false
    /// The client has an answer, or is gone.
    private var isOver = false

    init(_ caller: any Caller, _ context: Context, id: UInt64, _ route: Route, _ body: [UInt8]) {
        (self.caller, self.context, self.id, self.route, self.body) = (caller, context, id, route, body)
    }

    func started(_ task: StartedTask) {
        self.task = task
        if let limit = context.deadline { deadline = context.loop.after(limit - context.loop.now, self) }
    }

    nonisolated(nonsending) func run() async {
        hasBegun = true
        caller.began(self)
        let outcome = await route.pipeline.run(route.handler.body, body, context)
        finish(outcome)
        task = nil
        caller.ended(self)
    }

    private func finish(_ outcome: Result<[UInt8], any Error>) {
        if let deadline { context.loop.cancel(deadline) }
        deadline = nil
        if isOver { return }
        isOver = true
        caller.answer(outcome, id: id, route, context)
    }

    /// The handler took too long. It is cancelled, and whatever it still does has no answer.
    func timerFired(_ token: UInt64, on loop: Loop) {
        finish(.failure(AppError(AppError.timeout, "the handler took too long")))
        cancel()
    }

    /// The app ends. Whoever waits elsewhere is told so.
    func cutOff() {
        finish(.failure(AppError(AppError.unavailable, "the server was stopped before it had an answer")))
        cancel()
    }

    func cancel() {
        isOver = true
        if let deadline { context.loop.cancel(deadline) }
        task?.cancel()
        context.cancel()
        guard !hasBegun else { return }
        hasBegun = true  // It never will.
        caller.neverBegan(self)
    }
}
