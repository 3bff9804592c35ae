import OmniwayCluster
import OmniwayTesting
import Testing

/// What one store does with anything, all do: random transactions, the same for each, and every answer compared.
@Suite(.timeLimit(.minutes(2))) struct AgreementTests {
    /// All that can be known of a run.
    private struct Record: Equatable {
        var outcomes: [RegistryOutcome] = []
        var changes: [RegistryChange] = []
        var end: [RegistryEntry] = []
    }

    private func transaction(_ random: inout SeededRandom) -> RegistryTransaction {
        func key() -> RegistryBytes { RegistryBytes("k/\(random.next() % 4)" + (random.next() % 3 == 0 ? "/x" : "")) }
        func condition() -> RegistryCondition {
            let relations: [RegistryCondition.Relation] = [.equal, .notEqual, .less, .greater]
            let number = Int64(random.next() % 40)
            let sides: [RegistryCondition.Side] = [
                .created(number), .modified(number), .version(number % 4), .value("\(number % 5)"), .created(0),
            ]
            return RegistryCondition(
                key(), relations[Int(random.next() % 4)], sides[Int(random.next() % UInt64(sides.count))])
        }
        func branch() -> [RegistryOperation] {
            (0..<(random.next() % 4)).map { _ in
                switch random.next() % 9 {
                case 0: .get(key())
                case 1: .list(prefix: "k/", limit: Int(random.next() % 5) + 1, keysOnly: random.next() % 2 == 0)
                case 2: .delete(key())
                case 3: .deleteAll(prefix: key())
                case 4: .count(prefix: key())
                default: .put(key(), "\(random.next() % 5)")
                }
            }
        }
        return RegistryTransaction(
            if: (0..<(random.next() % 3)).map { _ in condition() }, then: branch(), else: branch())
    }

    private func run(_ kind: RegistrySubject.Kind, seed: UInt64) async throws -> Record {
        let subject = try await RegistrySubject(kind)
        var random = SeededRandom(seed: seed)
        var record = Record()
        var refused = 0
        while record.outcomes.count < 150 {
            do throws(RegistryError) {
                record.outcomes.append(try await subject.registry.transact(transaction(&random)))
            } catch {
                #expect(error.code == .invalid)
                refused += 1
            }
        }
        #expect(refused > 10)
        try await subject.registry.put("k/end", "")
        record.end = try await subject.registry.list("").entries
        let watch = await subject.watch(.prefix("k/"), from: 1)
        while record.changes.last?.key != "k/end", case .changed(let changes) = await watch.next() {
            record.changes += changes
        }
        await subject.end()
        return record
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `all stores do the same with the same transactions`(
        _ seed: UInt64
    ) async throws {
        let memory = try await run(.memory, seed: seed)
        #expect(memory.outcomes.contains { $0.succeeded } && memory.outcomes.contains { !$0.succeeded })
        #expect(memory.changes.count > 100)
        for kind in [RegistrySubject.Kind.sqlite, .etcd] {
            let other = try await run(kind, seed: seed)
            for (step, pair) in zip(memory.outcomes, other.outcomes).enumerated() where pair.0 != pair.1 {
                Issue.record("\(kind), step \(step): \(pair.1) and not \(pair.0)")
                break
            }
            #expect(other.changes.map(\.short) == memory.changes.map(\.short))
            #expect(other == memory)
        }
    }
}
