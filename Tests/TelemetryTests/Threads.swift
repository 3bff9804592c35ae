@testable import OmniwayTelemetry

/// Runs `body` on that many threads at once and returns when all have returned.
func onThreads(_ count: Int, _ body: @escaping @Sendable (_ index: Int) -> Void) {
    let running = Lock(count)
    let ended = Condition()
    for index in 0..<count {
        let isStarted = BackgroundThread.start("test", for: "a test") {
            body(index)
            running.withLock { $0 -= 1 }
            ended.wakeAll()
        }
        precondition(isStarted, "the system has no thread for a test")
    }
    running.withLock(when: { $0 == 0 }, wokenBy: ended) { _ in }
}
