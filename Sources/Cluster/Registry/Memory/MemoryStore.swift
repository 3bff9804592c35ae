public import OmniwayTransport

/// What registries in memory keep, for those of one process that share it. It lives on one loop, and on its time.
///
/// ```swift
/// let store = await loop.own { MemoryStore(on: $0) }
/// let here = try await Registry.open(.memory(store), on: loop)
/// let there = try await Registry.open(.memory(store), on: loop)  // Another node of a simulated world.
/// ```
public final class MemoryStore {
    private let loop: Loop
    private var keyspace: Keyspace
    private var drivers: [MemoryDriver] = []
    /// No lease ends before this; there may be none that ends so early.
    private var earliest: Moment?
    private var timer: TimerID?
    private static let mostLeases = 1 << 20

    /// `capacity` is for keys and values together, in bytes. Who watches is told in the same turn, so few changes need
    /// to be remembered.
    public init(
        on loop: Loop, history: RegistryHistory = RegistryHistory(changes: 10_000, bytes: 16 << 20),
        capacity: Int = 256 << 20
    ) {
        self.loop = loop
        keyspace = Keyspace(history, capacity: capacity)
    }

    func add(_ driver: MemoryDriver) { drivers.append(driver) }
    func remove(_ driver: MemoryDriver) { drivers.removeAll { $0 === driver } }

    var revision: Int64 { keyspace.revision }
    var compacted: Int64 { keyspace.compacted }
    func changes(from first: Int64) -> ArraySlice<RegistryChange> { keyspace.changes(from: first, about: 1024) }

    func perform(_ request: DriverRequest) throws(RegistryError) -> DriverAnswer {
        expire()
        let before = keyspace.revision
        let answer = try answer(request)
        if keyspace.revision != before { for driver in drivers { driver.pump() } }
        return answer
    }

    private func answer(_ request: DriverRequest) throws(RegistryError) -> DriverAnswer {
        switch request {
        case .transaction(let transaction):
            try keyspace.checkRoom(for: transaction)
            return .outcome(try keyspace.transact(transaction))
        case .list(let keys, let keysOnly):
            let entries = keyspace.entries(keys, limit: .max, keysOnly: keysOnly)
            return .listing(RegistryListing(entries: entries, revision: keyspace.revision))
        case .grant(let seconds):
            guard keyspace.leaseCount < Self.mostLeases else {
                throw RegistryError(.full, "the registry in memory has \(Self.mostLeases) leases; revoke some")
            }
            let id = Int64(loop.random.next() >> 1) | 1
            keyspace.grant(id, seconds: seconds, from: loop.now)
            let ends = loop.now + .seconds(seconds)
            if ends < earliest ?? Moment(nanoseconds: .max) { setTimer(ends) }
            return .lease(id: id, seconds: seconds)
        case .keepAlive(let id):
            guard let seconds = keyspace.extend(id, from: loop.now) else { throw .noLease(id) }
            return .lease(id: id, seconds: seconds)
        case .revoke(let id):
            guard try keyspace.end(id) else { throw .noLease(id) }
            return .done
        case .compact(let revision):
            keyspace.compact(through: revision)
            return .done
        }
    }

    // MARK: The end of leases

    private func expire() {
        guard let earliest, earliest <= loop.now else { return }
        let before = keyspace.revision
        for id in keyspace.due(loop.now) {
            do throws(RegistryError) {
                _ = try keyspace.end(id)
            } catch { preconditionFailure("a lease in memory cannot end: \(error)") }
        }
        setTimer(keyspace.nextEnd)
        if keyspace.revision != before { for driver in drivers { driver.pump() } }
    }

    private func setTimer(_ ends: Moment?) {
        if let timer { loop.cancel(timer) }
        earliest = ends
        timer = ends.map { loop.after($0 - loop.now, self) }
    }
}

extension MemoryStore: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) { expire() }
}
