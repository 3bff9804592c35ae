package import OmniwayTransport

/// Jobs in a registry. Who takes one puts a key beside it under his lease, and who waits to try it again one under a
/// lease of that time; so the store counts the time, and a job whose taker dies is free again.
package final class RegistryJobs: JobQueue, TimerTarget {
    private let local: LocalRegistry
    private let prefix: RegistryBytes
    private let graves: RegistryBytes
    private let owner: RegistryBytes
    private let lease: () -> RegistryLease?
    private let limits: JobLimits
    private var mirror: RegistryMirror?
    /// Free ones in the order in which they came to be; some may have been taken since.
    private var free: ArraySlice<String> = []
    private var known: Set<String> = []
    /// Taken here.
    private var taken: Set<String> = []
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var hasTimer = false
    private var registry: Registry { local.registry }

    /// `lease` is what goes when the owner does; nil while there is none.
    package init(
        _ registry: LocalRegistry, prefix: String, owner: String, limits: JobLimits = JobLimits(),
        lease: @escaping () -> RegistryLease?
    ) {
        (local, self.lease, self.limits) = (registry, lease, limits)
        (self.prefix, graves) = (RegistryBytes(prefix + "jobs/"), RegistryBytes(prefix + "dead-jobs/"))
        self.owner = RegistryBytes(owner)
    }

    private func key(_ kind: String, _ id: String) -> RegistryBytes { prefix + RegistryBytes("\(kind)/\(id)") }

    package nonisolated(nonsending) func put(_ job: [UInt8], id: String) async throws {
        let count = RegistryTransaction(then: [.count(prefix: key("queue", ""))])
        guard try await registry.transact(count).results[0].count < limits.waiting else {
            throw TooManyJobs(limit: limits.waiting)
        }
        try await registry.put(key("queue", id), RegistryBytes(job))
    }

    // MARK: Which are free

    package func begin() {
        mirror = RegistryMirror(local, prefix: prefix, limit: 3 * limits.waiting) { [unowned self] in
            let parts = $0.key.after(prefix)?.text.split(separator: "/", maxSplits: 1) ?? []
            if parts.count == 2 { look(at: String(parts[1])) }
        }
    }

    package func end() {
        mirror?.end()
        mirror = nil
        for waiter in exchange(&waiters, with: []) { waiter.resume() }
    }

    private func isFree(_ id: String) -> Bool {
        guard let mirror, mirror[key("queue", id)] != nil, mirror[key("waits", id)] == nil, !taken.contains(id) else {
            return false
        }
        // What this server has taken in a life before, or in an attempt that it did not hear of, is its own.
        let holder = mirror[key("taken", id)]
        return holder == nil || holder?.value == owner
    }

    private func look(at id: String) {
        guard isFree(id), known.insert(id).inserted else { return }
        free.append(id)
        if !waiters.isEmpty { waiters.removeFirst().resume() }
    }

    package nonisolated(nonsending) func take() async throws -> TakenJob? {
        if free.isEmpty { await waitASecond() }
        while let id = free.popFirst() {
            known.remove(id)
            guard isFree(id), let mirror, let job = mirror[key("queue", id)] else { continue }
            guard let lease = lease() else {
                look(at: id)
                throw RegistryError(.leaseLost, "this server is not registered now; jobs wait until it is")
            }
            let holder = mirror[key("taken", id)]
            taken.insert(id)
            do {
                let outcome = try await registry.transact(
                    RegistryTransaction(
                        if: [.unchanged(job), holder.map { .unchanged($0) } ?? .absent(key("taken", id))],
                        then: [.put(key("taken", id), owner, lease: lease)]))
                if outcome.succeeded { return TakenJob(id: id, bytes: job.value.bytes) }
                taken.remove(id)  // Somebody else was faster; the mirror will say when it is free.
            } catch {
                letGo(TakenJob(id: id, bytes: []))
                throw error
            }
        }
        return nil
    }

    package func letGo(_ job: TakenJob) {
        taken.remove(job.id)
        look(at: job.id)
    }

    private nonisolated(nonsending) func waitASecond() async {
        if mirror == nil { return }
        if !hasTimer { local.loop.after(.seconds(1), self) }
        hasTimer = true
        await withCheckedContinuation { waiters.append($0) }
    }

    package func timerFired(_ token: UInt64, on loop: Loop) {
        hasTimer = false
        for waiter in exchange(&waiters, with: []) { waiter.resume() }
    }

    // MARK: What becomes of one

    package nonisolated(nonsending) func done(_ job: TakenJob) async throws { try await end(job, [], keeps: false) }

    package nonisolated(nonsending) func again(_ job: TakenJob, as bytes: [UInt8], after seconds: Int) async throws {
        var puts: [RegistryOperation] = [.put(key("queue", job.id), RegistryBytes(bytes))]
        if seconds > 0 {
            let pause = try await registry.grant(ttl: .seconds(seconds))
            puts.append(.putUnder(lease: pause, key("waits", job.id), ""))
        }
        try await end(job, puts, keeps: true)
    }

    package nonisolated(nonsending) func bury(_ job: TakenJob, as bytes: [UInt8]) async throws {
        let count = try await registry.transact(RegistryTransaction(then: [.count(prefix: graves)])).results[0].count
        var operations: [RegistryOperation] = [.put(graves + RegistryBytes(job.id), RegistryBytes(bytes))]
        if count >= limits.buried {
            let oldest = try await registry.transact(
                RegistryTransaction(then: [.list(prefix: graves, limit: 1, keysOnly: true)]))
            operations += oldest.results[0].entries.map { .delete($0.key) }
        }
        try await end(job, operations, keeps: false)
    }

    /// Only if it is this server's still: otherwise another one has it, and does what is to be done.
    private nonisolated(nonsending) func end(
        _ job: TakenJob, _ operations: [RegistryOperation], keeps: Bool
    ) async throws {
        let deletion: [RegistryOperation] = keeps ? [] : [.delete(key("queue", job.id))]
        _ = try await registry.transact(
            RegistryTransaction(
                if: [.value(of: key("taken", job.id), is: owner)],
                then: operations + deletion + [.delete(key("taken", job.id))]))
        letGo(job)
    }
}
