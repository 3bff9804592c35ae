import OmniwayTelemetry
import OmniwayWire

/// All streams of a server, whatever loop they live on: who has the key, and where to bring a connection.
final class SnetStreams: Sendable {
    struct Entry: Sendable {
        let key: UInt64
        let home: SnetHomeAddress
    }

    private struct State {
        var lastID: UInt64 = 0
        var entries: [UInt64: Entry] = [:]
        var waiting = 0
    }
    private let state = Lock(State())
    private let most: Int
    private let mostWaiting: Int

    init(most: Int, mostWaiting: Int) { (self.most, self.mostWaiting) = (most, mostWaiting) }

    var count: Int { state.withLock { $0.entries.count } }
    var waitingCount: Int { state.withLock { $0.waiting } }

    func nextID() -> UInt64 {
        state.withLock { state in
            state.lastID &+= 1
            return state.lastID
        }
    }

    /// False when there are as many as there may be.
    func insert(_ id: UInt64, _ entry: Entry) -> Bool {
        state.withLock { state in
            guard state.entries.count < most else { return false }
            state.entries[id] = entry
            return true
        }
    }

    func find(_ id: UInt64) -> Entry? { state.withLock { $0.entries[id] } }

    func remove(_ id: UInt64) { state.withLock { $0.entries[id] = nil } }

    /// False when as many wait already as may.
    func beginWaiting() -> Bool {
        state.withLock { state in
            guard state.waiting < mostWaiting else { return false }
            state.waiting += 1
            return true
        }
    }

    func endWaiting() { state.withLock { $0.waiting -= 1 } }
}

/// Where connections are brought whose stream lives on one loop.
struct SnetHomeAddress: Sendable {
    let door: Mailbox<SnetArrival>
    let pipes: Mailbox<PipeMail>
    /// Its number among those who take pipes there.
    let number: Int
}

/// A connection that was accepted on another loop than that of the stream it asks for.
struct SnetArrival: Sendable {
    let detached: DetachedLink
    let request: SnetResume
}
