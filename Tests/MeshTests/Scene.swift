import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Async work on a simulated loop: what an application writes, on virtual time.
final class Scene: LoopTask {
    typealias Body = nonisolated(nonsending) @Sendable () async throws -> Void
    private let body: Body
    private let outcome: Lock<Result<Void, any Error>?>

    fileprivate init(_ body: @escaping Body, _ outcome: Lock<Result<Void, any Error>?>) {
        (self.body, self.outcome) = (body, outcome)
    }

    nonisolated(nonsending) func run() async {
        do {
            try await body()
            outcome.withLock { $0 = .success(()) }
        } catch { outcome.withLock { $0 = .failure(error) } }
    }
}

extension SimulatedWorld {
    /// Plays a scene to its end; what it throws is thrown.
    func play(within limit: Duration = .seconds(600), _ body: @escaping Scene.Body) async throws {
        let outcome = Lock<Result<Void, any Error>?>(nil)
        _ = await first.run { loop in loop.start(Scene(body, outcome)) != nil }
        try #require(advance(until: limit) { outcome.withLock { $0 != nil } }, "the scene does not end")
        try outcome.withLock { $0 }?.get()
    }
}

/// What callbacks and scenes write down.
final class Notes<Note: Sendable>: Sendable {
    private let notes = Lock<[Note]>([])
    var all: [Note] { notes.withLock { $0 } }
    func add(_ note: Note) { notes.withLock { $0.append(note) } }
}
