import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct MuxTests {
    private func bytes(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// Streams open, write, stop reading, finish and break off at random, over a way that cuts anywhere.
    @Test(arguments: 1...20) func `every stream brings exactly its bytes, within the budgets`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var pair = MuxPair(budgets: Int.random(in: 40...600, using: &random) << 10)
        var sent: [UInt32: (there: [UInt8], back: [UInt8])] = [:]
        var broken: Set<UInt32> = []
        for _ in 0..<250 {
            let id = sent.keys.sorted().randomElement(using: &random) ?? 0
            let isA = Bool.random(using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                let new = isA ? pair.a.open(pair.now) : pair.b.open(pair.now)
                if let new { sent[new] = ([], []) }
            case 2...5:
                let count = Int.random(in: 0...40_000, using: &random)
                let piece = bytes(count, &random)
                let end = isA ? pair.a.streams[id] : pair.b.streams[id]
                guard let end, end.slot != nil, !end.wantsEnd else { continue }
                if isA {
                    pair.a.write(id, piece)
                    sent[id]?.there += piece
                } else {
                    pair.b.write(id, piece)
                    sent[id]?.back += piece
                }
            case 6: isA ? pair.a.finish(id) : pair.b.finish(id)
            case 7:
                guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                isA ? pair.a.reset(id) : pair.b.reset(id)
                broken.insert(id)
            case 8: isA ? pair.a.setReading(id, false, pair.now) : pair.b.setReading(id, false, pair.now)
            case 9: isA ? pair.a.setReading(id, true, pair.now) : pair.b.setReading(id, true, pair.now)
            default:
                pair.now += .milliseconds(Int.random(in: 0...20, using: &random))
                try pair.carry(Int.random(in: 1...70_000, using: &random))
            }
            for end in [pair.a, pair.b] { #expect(0...end.budget.limit ~= end.budget.used, "seed \(seed)") }
        }
        for id in sent.keys {
            pair.a.setReading(id, true, pair.now)
            pair.b.setReading(id, true, pair.now)
        }
        try pair.carryAll()
        for (id, bytes) in sent where !broken.contains(id) {
            if pair.b.streams[id]?.wasReset == true || pair.a.streams[id]?.wasReset == true { continue }  // Busy.
            #expect(pair.b.streams[id]?.read ?? [] == bytes.there, "seed \(seed), stream \(id)")
            #expect(pair.a.streams[id]?.read ?? [] == bytes.back, "seed \(seed), stream \(id)")
            #expect(pair.b.streams[id]?.heardEnd == pair.a.streams[id]?.wantsEnd, "seed \(seed), stream \(id)")
        }
        for id in sent.keys {
            pair.a.reset(id)
            pair.b.reset(id)
        }
        #expect(pair.a.budget.used == 0, "seed \(seed)")
        #expect(pair.b.budget.used == 0, "seed \(seed)")
        #expect(pair.a.mux.unconfirmed == 0 && pair.b.mux.unconfirmed == 0, "seed \(seed)")
    }

    @Test func `a reader that has stopped holds 64 KiB, and the others go on`() throws {
        var pair = MuxPair()
        let stalled = try (0..<50).map { _ in try pair.a.mustOpen(pair.now) }
        let lively = try pair.a.mustOpen(pair.now)
        try pair.carryAll()
        for id in stalled {
            pair.b.setReading(id, false, pair.now)
            pair.a.write(id, [UInt8](repeating: 1, count: 256 << 10))
        }
        pair.a.write(lively, [UInt8](repeating: 2, count: 1 << 20))
        for _ in 0..<100 {
            pair.now += .milliseconds(1)
            try pair.carry()
        }
        #expect(pair.b.streams[lively]?.read.count == 1 << 20)
        for id in stalled { #expect(pair.b.streams[id]?.kept.count == MuxInflow.first) }
        for id in stalled { pair.b.reset(id) }
        #expect(pair.b.budget.used <= 1 << 20)
    }

    @Test func `a window doubles while a long way is not filled, up to what the way holds`() {
        let budget = MuxBudget(256 << 20)
        #expect(budget.take(MuxInflow.first))
        var inflow = MuxInflow(window: MuxInflow.first, at: .zero)
        var now = Duration.zero
        let roundTrip = Duration.milliseconds(50)
        // 200 Mbit/s: a window a round trip, but never faster than the line.
        var windows: [Int] = []
        for _ in 0..<14 {
            let count = inflow.expected
            let time = max(roundTrip, .microseconds(Int64(Double(count) / 25)))
            #expect(inflow.receive(count) == true)
            now += time
            _ = inflow.read(count, at: now, roundTrip: roundTrip, from: budget)
            windows.append(inflow.window)
        }
        #expect(Array(windows.prefix(4)) == [2, 4, 8, 16].map { $0 * MuxInflow.first })
        // 25 bytes a microsecond and 50 ms are 1.25 MB; twice that is enough, and once more for what is under way.
        #expect((1_250_000...5_000_000).contains(inflow.window), "\(inflow.window)")
    }

    @Test func `credit goes back a longest frame at a time, and sooner where the window is small`() {
        for (window, granted) in [
            (4 << 10, 2 << 10), (MuxInflow.first, MuxInflow.first / 2), (2 * MuxInflow.first, MuxInflow.first),
            (4 * MuxInflow.first, MuxInflow.first), (16 * MuxInflow.first, 4 * MuxInflow.first),
        ] {
            let budget = MuxBudget(256 << 20)
            #expect(budget.take(window))
            var inflow = MuxInflow(window: window, at: .zero)
            #expect(inflow.receive(window) == true)
            let before = inflow.read(granted - 1, at: .seconds(1), roundTrip: nil, from: budget)
            let after = inflow.read(1, at: .seconds(1), roundTrip: nil, from: budget)
            #expect([before, after] == [0, granted])
        }
    }

    @Test func `a window that nobody fills stays, and one that has rested is small again`() {
        let budget = MuxBudget(256 << 20)
        #expect(budget.take(MuxInflow.first))
        var inflow = MuxInflow(window: MuxInflow.first, at: .zero)
        var now = Duration.zero
        for _ in 0..<20 {
            now += .seconds(1)
            #expect(inflow.receive(32 << 10) == true)
            _ = inflow.read(32 << 10, at: now, roundTrip: .milliseconds(50), from: budget)
        }
        #expect(inflow.window == MuxInflow.first)
        for _ in 0..<3 {
            now += .milliseconds(50)
            let count = inflow.expected
            #expect(inflow.receive(count) == true)
            _ = inflow.read(count, at: now, roundTrip: .milliseconds(50), from: budget)
        }
        #expect(inflow.window > MuxInflow.first)
        #expect(inflow.receive(1) == true)
        _ = inflow.read(1, at: now + .seconds(10), roundTrip: .milliseconds(50), from: budget)
        #expect(inflow.window == MuxInflow.first)
    }

    @Test func `a stream alone may fill half of the budget for ever, and gets nothing while others are there too`() {
        let budget = MuxBudget(32 << 20)
        #expect(budget.take(MuxInflow.most))
        var inflow = MuxInflow(window: MuxInflow.most, at: .zero)
        func read() -> Int {
            let count = min(inflow.expected, 4 << 20)
            #expect(inflow.receive(count) == true)
            return inflow.read(count, at: .milliseconds(1), roundTrip: .milliseconds(50), from: budget)
        }
        for _ in 0..<20 { #expect(read() == 4 << 20) }
        #expect(budget.used == MuxInflow.most)
        // Now half is free only after what this one was granted has been read.
        #expect(budget.take(8 << 20))
        for _ in 0..<2 { #expect(read() == 0) }
        #expect(budget.used == 16 << 20)
    }

    @Test func `credit that a resting stream does not use goes back to the budget`() throws {
        var outflow = MuxOutflow(credit: 1 << 20, at: .zero)
        #expect(outflow.rest(at: .seconds(9)) == 0)
        #expect(outflow.rest(at: .seconds(10)) == (1 << 20) - MuxInflow.first)
        #expect(outflow.rest(at: .seconds(30)) == 0)
        let budget = MuxBudget(1 << 20)
        #expect(budget.take(512 << 10))
        var inflow = MuxInflow(window: 512 << 10, at: .zero)
        #expect(inflow.unused(448 << 10, to: budget) == true)
        #expect(budget.used == 64 << 10)
        #expect(inflow.unused(65 << 10, to: budget) == false)
    }

    @Test func `new streams begin smaller as the budget is used, and are refused at its end`() {
        let budget = MuxBudget(1 << 20)
        var mux = Mux(.dialed, at: .zero, budget: budget)
        var windows: [Int: Int] = [:]
        while let before = Optional(budget.used), mux.open(at: .zero) != nil {
            windows[budget.used - before, default: 0] += 1
        }
        #expect(windows == [MuxInflow.first: 9, 16 << 10: 13, 4 << 10: 60])
        #expect(budget.room < 4 << 10)
        for slot in 0..<mux.streamCount { mux.remove(slot) }
        #expect(budget.used == 0)
        #expect(mux.open(at: .zero) != nil)
    }

    @Test func `a budget is a part of the loop's`() {
        let whole = MuxBudget(100)
        let (one, other) = (MuxBudget(80, of: whole), MuxBudget(80, of: whole))
        #expect(one.take(70))
        #expect(!other.take(31))
        #expect(other.take(30))
        #expect(!one.mayGrow && !other.mayGrow)
        one.give(70)
        #expect(whole.used == 30)
        #expect(other.mayGrow)
    }

    @Test(arguments: [
        (MuxEvent.data(2, 0..<0, ends: false), MuxError.wrongStream(2)),
        (.data(0, 0..<0, ends: true), .wrongStream(0)),
        (.data(1, 0..<70_000, ends: false), .overCredit(1)),
        (.open(1, giving: 65_536, taking: 65_536), .wrongStream(1)),
        (.open(2, giving: 65_537, taking: 65_536), .badCredit(2)),
        (.open(2, giving: 0, taking: 1), .badCredit(2)),
        (.window(1, 16 << 20), .badCredit(1)),
        (.window(0, 65_537), .badCredit(0)),
        (.window(0, 0), .badCredit(0)),
        (.unused(1, 65_537), .badCredit(1)),
        (.datagram(1, 0..<1), .outOfPlace(1)),
        (.reset(4, 0), .wrongStream(4)),
    ])
    func `what a peer may not send is an error`(_ event: MuxEvent, _ error: MuxError) throws {
        var mux = Mux(.dialed, at: .zero, budget: MuxBudget(1 << 20))
        _ = try mux.mustOpen()
        #expect(throws: error) { _ = try mux.receive(event, at: .zero) }
    }

    @Test func `what comes late for a stream that is over means nothing`() throws {
        var mux = Mux(.dialed, at: .zero, budget: MuxBudget(1 << 20))
        let slot = try mux.mustOpen()
        mux.remove(slot)
        for event: MuxEvent in [.data(1, 0..<9, ends: true), .window(1, 5), .unused(1, 5), .reset(1, 5)] {
            #expect(try mux.receive(event, at: .zero) == .none)
        }
    }

    @Test func `ids are never used again, and at their end the carrier retires`() throws {
        var limits = Mux.Limits()
        limits.lastID = 1001
        var mux = Mux(.accepted, at: .zero, budget: MuxBudget(1 << 20), limits: limits)
        var last: UInt32 = 0
        while let (slot, _) = mux.open(at: .zero) {
            #expect(mux.id(of: slot) == last + 2)
            last = mux.id(of: slot)
            mux.remove(slot)
        }
        #expect(last == 1000)
        #expect(mux.isRetired)
    }

    @Test func `who was told to go away opens nothing, and what is open goes on`() throws {
        var mux = Mux(.dialed, at: .zero, budget: MuxBudget(1 << 20))
        let slot = try mux.mustOpen()
        #expect(try mux.receive(.goAway(3), at: .zero) == .goAway(3))
        #expect(mux.open(at: .zero) == nil)
        #expect(!mux.isRetired)
        #expect(try mux.receive(.data(1, 0..<5, ends: true), at: .zero) == .deliver(slot, 0..<5, ends: true))
        mux.finished(slot)
        #expect(mux.isDone(slot))
        mux.remove(slot)
        #expect(mux.isRetired)
    }
}

@Suite struct MuxSchedulerTests {
    @Test(arguments: 1...50) func `nobody starves`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var scheduler = MuxScheduler()
        var lastTurn: [Int: Int] = [:]
        let isBulk = (0..<30).map { _ in Bool.random(using: &random) }
        for slot in 0..<30 { scheduler.wait(slot, queued: isBulk[slot] ? 1 << 20 : 100) }
        for turn in 0..<3000 {
            guard let slot = scheduler.next() else { break }
            // All small ones before the next bulk one, or nine turns for each bulk one.
            let gap = turn - lastTurn[slot, default: 0]
            #expect(gap <= (isBulk[slot] ? 30 * 9 : 30 * 2), "seed \(seed)")
            lastTurn[slot] = turn
            scheduler.wait(slot, queued: isBulk[slot] ? 1 << 20 : 100)
        }
        #expect(lastTurn.count == 30)
    }

    @Test func `who has little goes first`() {
        var scheduler = MuxScheduler()
        scheduler.wait(1, queued: 1 << 20)
        scheduler.wait(2, queued: 100)
        scheduler.wait(3, queued: 16 << 10)
        scheduler.wait(4, queued: 200)
        #expect((0..<5).map { _ in scheduler.next() } == [2, 4, 1, 3, nil])
        #expect(scheduler.isEmpty)
    }

    @Test func `bulk streams share the way evenly`() throws {
        var pair = MuxPair()
        let ids = try (0..<5).map { _ in try pair.a.mustOpen(pair.now) }
        for id in ids { pair.a.write(id, [UInt8](repeating: 1, count: 4 << 20)) }
        for _ in 0..<100 {
            pair.now += .milliseconds(1)
            try pair.carry(100_000)
        }
        let counts = ids.map { pair.b.streams[$0]?.read.count ?? 0 }
        let (least, most) = (counts.min() ?? 0, counts.max() ?? 0)
        #expect(least > 1 << 20)
        #expect(most - least <= 2 * MuxScheduler.quantum, "\(counts)")
    }
}

@Suite struct MuxLivenessTests {
    @Test func `a peer that answers lives, and its distance is known`() {
        var liveness = MuxLiveness(at: .zero)
        #expect(liveness.step(at: .zero) == .ping(1))
        #expect(liveness.roundTrip == nil)
        liveness.pong(1, at: .milliseconds(50))
        #expect(liveness.roundTrip == .milliseconds(50))
        #expect(liveness.step(at: .seconds(1)) == .wait(until: .seconds(10)))
        #expect(liveness.step(at: .seconds(10)) == .ping(2))
        liveness.pong(1, at: .seconds(11))
        liveness.pong(2, at: .seconds(14))
        #expect(liveness.roundTrip == .microseconds(62_501))
    }

    @Test func `a peer that says nothing is dead, and one that sends something is not`() {
        var liveness = MuxLiveness(at: .zero)
        #expect(liveness.step(at: .zero) == .ping(1))
        #expect(liveness.step(at: .seconds(4)) == .wait(until: .seconds(5)))
        liveness.heard(at: .seconds(4))
        #expect(liveness.step(at: .seconds(5)) == .wait(until: .seconds(9)))
        #expect(liveness.step(at: .seconds(9)) == .dead)
    }
}
