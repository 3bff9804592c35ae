/// Async work of one loop. An object, because a closure with a capture list that is converted to an async function
/// silently leaves the loop (Swift 6.3).
public protocol LoopTask: AnyObject {
    nonisolated(nonsending) func run() async
}

/// Async work that was handed to a loop.
public final class StartedTask {
    private enum State { case waiting(any LoopTask), beginning(isCancelled: Bool), running(Task<Void, Never>), ended }
    private var state: State
    /// In the order in which they were handed over.
    let number: UInt64

    init(_ task: any LoopTask, number: UInt64) { (state, self.number) = (.waiting(task), number) }

    /// The work's `Task.isCancelled` becomes true. Work that has not started never does.
    public func cancel() {
        switch state {
        case .waiting: state = .ended
        case .beginning: state = .beginning(isCancelled: true)
        case .running(let task): task.cancel()
        case .ended: break
        }
    }

    /// The work, unless it was cancelled before it began.
    func begin() -> (any LoopTask)? {
        guard case .waiting(let task) = state else { return nil }
        state = .beginning(isCancelled: false)
        return task
    }

    /// Its first part has run, up to the first suspension; it may have cancelled itself meanwhile.
    func runs(as task: Task<Void, Never>) {
        guard case .beginning(let isCancelled) = state else { return }
        if isCancelled { task.cancel() }
        state = .running(task)
    }
    func end() { state = .ended }
}
