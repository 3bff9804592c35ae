import OmniwayTelemetry
import OmniwayTransport

/// Counts those who use a server from outside its loops, so that these are let go of when nobody does any more.
final class ServerDoor: Sendable {
    private struct State {
        var inside = 0
        var isShut = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Lock(State())

    /// False when it is shut. Otherwise `leave` follows, soon.
    func enter() -> Bool {
        state.withLock { state in
            if !state.isShut { state.inside += 1 }
            return !state.isShut
        }
    }

    func leave() {
        let waiter = state.withLock { state in
            state.inside -= 1
            return state.inside == 0 ? exchange(&state.waiter, with: nil) : nil
        }
        waiter?.resume()
    }

    /// Nobody enters any more. Returns when all have left.
    func shut() async {
        await withCheckedContinuation { waiter in
            let isEmpty = state.withLock { state in
                state.isShut = true
                if state.inside > 0 { state.waiter = waiter }
                return state.inside == 0
            }
            if isEmpty { waiter.resume() }
        }
    }
}

extension AppServer {
    static let stopped = AppError(AppError.unavailable, "the app has stopped")

    /// Reaches for the part of the app on a loop, from anywhere.
    func reach(_ index: Int, _ body: @Sendable (Loop, AppShard) -> Void) async throws {
        guard door.enter() else { throw Self.stopped }
        defer { door.leave() }
        await shards[index].run(body)
    }

    func whileOpen<R>(_ body: () throws -> R) throws -> R {
        guard door.enter() else { throw Self.stopped }
        defer { door.leave() }
        return try body()
    }
}

extension App {
    /// Nil before the app starts and after its end.
    func use<R>(_ body: (AppServer) throws -> R) rethrows -> R? {
        guard let server, server.door.enter() else { return nil }
        defer { server.door.leave() }
        return try body(server)
    }
}
