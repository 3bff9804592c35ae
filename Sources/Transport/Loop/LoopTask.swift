/// Async work of one loop. An object, because a closure with a capture list that is converted to an async function
/// silently leaves the loop (Swift 6.3).
public protocol LoopTask: AnyObject {
    nonisolated(nonsending) func run() async
}

/// Async work that was handed to a loop.
public final class StartedTask {
    private enum State { case waiting(any LoopTask), running(Task<Void, Never>?), ended }
    private var state: State

    init(_ task: any LoopTask) { state = .waiting(task) }

    /// The work's `Task.isCancelled` becomes true. Work that has not started never does.
    public func cancel() {
        switch state {
        case .waiting: state = .ended
        case .running(let task): task?.cancel()
        case .ended: break
        }
    }

    /// The work, unless it was cancelled before it began.
    func begin() -> (any LoopTask)? {
        guard case .waiting(let task) = state else { return nil }
        state = .running(nil)
        return task
    }
    func runs(as task: Task<Void, Never>) { if case .running = state { state = .running(task) } }
    func end() { state = .ended }
}
