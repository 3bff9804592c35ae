import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite final class GossipTests {
    private static func id(_ number: UInt8) -> NodeID { NodeID([number] + [UInt8](repeating: 0, count: 31))! }
    private let own = id(0)
    private let a = id(1)
    private let b = id(2)
    private let c = id(3)
    private let origin = id(9)
    private var random = SeededRandom(seed: 1)

    private func message(_ sequence: UInt64, epoch: UInt64 = 1) -> GossipID {
        GossipID(origin: origin, epoch: epoch, sequence: sequence)
    }

    private func gossip(_ change: (inout Gossip.Settings) -> Void = { _ in }) -> Gossip {
        var settings = Gossip.Settings()
        settings.patience = .milliseconds(200)
        change(&settings)
        var gossip = Gossip(own, epoch: 1, settings, at: .zero, random: &random)
        for node in [a, b, c] { _ = gossip.handle(.up(node), at: .zero, random: &random) }
        return gossip
    }

    private func payloads(_ actions: [Gossip.Action]) -> [NodeID] {
        actions.compactMap { if case .send(.payload, let node) = $0 { node } else { nil } }
    }

    private func grafts(_ actions: [Gossip.Action]) -> [NodeID] {
        actions.compactMap { if case .send(.graft, let node) = $0 { node } else { nil } }
    }

    @Test func `a new message is delivered and goes on, but not back`() {
        var gossip = gossip()
        let actions = gossip.handle(
            .message(.payload(message(1), hops: 1, [7]), from: a), at: .zero, random: &random)
        #expect(actions.first == .deliver(message(1), [7]))
        #expect(payloads(actions) == [b, c])
    }

    @Test func `a message that is known prunes the link it came by, for its origin alone`() {
        var gossip = gossip()
        _ = gossip.handle(.message(.payload(message(1), hops: 1, [7]), from: a), at: .zero, random: &random)
        let again = gossip.handle(.message(.payload(message(1), hops: 1, [7]), from: b), at: .zero, random: &random)
        #expect(again == [.send(.prune(origin), to: b)])
        let next = gossip.handle(.message(.payload(message(2), hops: 1, [8]), from: a), at: .zero, random: &random)
        #expect(payloads(next) == [c])
        let flushed = gossip.handle(.tick, at: .milliseconds(5), random: &random)
        let announcement = GossipMessage.Announcement(id: message(2), hops: 2, isLarge: false)
        #expect(flushed == [.send(.have([announcement]), to: b)])
    }

    @Test func `what was announced and does not come is asked for, one after the other`() {
        var gossip = gossip()
        let have = GossipMessage.have([.init(id: message(1), hops: 3, isLarge: false)])
        for node in [a, b] { _ = gossip.handle(.message(have, from: node), at: .zero, random: &random) }
        #expect(gossip.deadline == .milliseconds(200))
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(199), random: &random)) == [])
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(200), random: &random)) == [a])
        for (time, node) in [(320, b), (440, a), (560, b), (680, a), (800, b)] {
            #expect(grafts(gossip.handle(.tick, at: .milliseconds(time - 1), random: &random)) == [])
            #expect(grafts(gossip.handle(.tick, at: .milliseconds(time), random: &random)) == [node])
        }
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(920), random: &random)) == [])
        #expect(gossip.deadline == .milliseconds(1920), "a digest finds it, soon")
        let digests = gossip.handle(.tick, at: .milliseconds(1920), random: &random)
        #expect(digests.count { if case .send(.digest, _) = $0 { true } else { false } } == 1)
        #expect(gossip.deadline > .seconds(9), "and then from time to time")
        let late = gossip.handle(
            .message(.payload(message(1), hops: 3, [1]), from: b), at: .seconds(2), random: &random)
        #expect(late.first == .deliver(message(1), [1]))
    }

    @Test func `an announcer that has left is passed over`() {
        var gossip = gossip()
        let have = GossipMessage.have([.init(id: message(1), hops: 3, isLarge: false)])
        for node in [a, b] { _ = gossip.handle(.message(have, from: node), at: .zero, random: &random) }
        _ = gossip.handle(.down(a), at: .zero, random: &random)
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(200), random: &random)) == [b])
    }

    @Test func `who asks gets the message, and those that follow`() {
        var gossip = gossip()
        _ = gossip.handle(.message(.payload(message(1), hops: 1, [7]), from: a), at: .zero, random: &random)
        _ = gossip.handle(.message(.prune(origin), from: b), at: .zero, random: &random)
        let asked = gossip.handle(.message(.graft(message(1)), from: b), at: .zero, random: &random)
        #expect(asked == [.send(.payload(message(1), hops: 2, [7]), to: b)])
        let next = gossip.handle(.message(.payload(message(2), hops: 1, [8]), from: a), at: .zero, random: &random)
        #expect(payloads(next) == [b, c])
    }

    @Test func `a much shorter way is taken, and along the tree of others only one that is far shorter`() {
        var gossip = gossip()
        func comes(_ sequence: UInt64, hops: UInt8, announced: UInt8) -> [Gossip.Action] {
            let have = GossipMessage.have([.init(id: message(sequence), hops: announced, isLarge: false)])
            _ = gossip.handle(.message(have, from: b), at: .zero, random: &random)
            return gossip.handle(
                .message(.payload(message(sequence), hops: hops, [1]), from: a), at: .zero, random: &random)
        }
        for sequence in 1...3 as ClosedRange<UInt64> {
            #expect(grafts(comes(sequence, hops: 6, announced: 2)) == [])
        }
        let actions = comes(4, hops: 5, announced: 2)
        #expect(grafts(actions) == [b])
        #expect(actions.contains(.send(.prune(origin), to: a)))
        gossip = self.gossip()
        #expect(grafts(comes(1, hops: 9, announced: 2)) == [b])
    }

    @Test func `what is missing is asked for soon, a few times, and sent twice at most`() {
        var gossip = gossip()
        for sequence in [1, 3] as [UInt64] {
            _ = gossip.handle(
                .message(.payload(message(sequence), hops: 1, [1]), from: a), at: .zero, random: &random)
        }
        var digests = 0
        while gossip.deadline < .seconds(29) {
            let now = gossip.deadline
            for action in gossip.handle(.tick, at: now, random: &random) {
                guard case .send(.digest(let all), _) = action else { continue }
                digests += 1
                #expect(all.first?.gaps.contains(2) == true)
            }
        }
        #expect((6...9) ~= digests, "\(digests)")
        let lacks = GossipMessage.digest([GossipMessage.Digest(origin: origin, epoch: 1, highest: 0, gaps: [])])
        var repairs = 0
        for time in [0, 100, 1100, 2200, 3300] {
            let answer = gossip.handle(
                .message(lacks, from: b), at: .seconds(20) + .milliseconds(time), random: &random)
            repairs += answer.count { if case .send(.repair, _) = $0 { true } else { false } }
        }
        #expect(repairs == 4, "two messages, twice")
    }

    @Test func `nothing goes further than the hops allow`() {
        var gossip = gossip()
        let last = gossip.handle(.message(.payload(message(1), hops: 64, [1]), from: a), at: .zero, random: &random)
        #expect(last == [.deliver(message(1), [1])])
        #expect(gossip.handle(.message(.payload(message(2), hops: 65, [1]), from: a), at: .zero, random: &random) == [])
    }

    @Test func `an origin that sends without measure is held to its rate`() {
        var gossip = gossip { $0.burst = 10 }
        var delivered = 0
        for sequence in 1...100 {
            let event = Gossip.Event.message(.payload(message(UInt64(sequence)), hops: 1, [1]), from: a)
            delivered +=
                gossip.handle(event, at: .zero, random: &random).contains(.deliver(message(UInt64(sequence)), [1]))
                ? 1 : 0
        }
        #expect(delivered == 11)
        #expect(gossip.counts.dropped == 89)
        let later = gossip.handle(
            .message(.payload(message(200), hops: 1, [1]), from: a), at: .seconds(1), random: &random)
        #expect(later.first == .deliver(message(200), [1]))
    }

    @Test func `announcements that nobody keeps do not fill the memory`() {
        var gossip = gossip { $0.missing = 100 }
        for batch in 0..<10 {
            let all = (0..<6000).map { number in
                GossipMessage.Announcement(id: message(UInt64(batch * 6000 + number)), hops: 1, isLarge: false)
            }
            _ = gossip.handle(.message(.have(all), from: a), at: .zero, random: &random)
        }
        #expect(gossip.counts.dropped == 10 * 5000 - 100)
        let asked = gossip.handle(.tick, at: .milliseconds(200), random: &random)
        #expect(grafts(asked).count == 16)
        for time in [320, 440, 560] { _ = gossip.handle(.tick, at: .milliseconds(time), random: &random) }
        #expect(gossip.deadline == .milliseconds(1560), "nothing is waited for any more; a digest comes next")
    }

    private func announcements(_ sequences: ClosedRange<UInt64>) -> GossipMessage {
        .have(sequences.map { GossipMessage.Announcement(id: message($0), hops: 1, isLarge: false) })
    }

    @Test func `one neighbour is asked for sixteen messages at a time, and for up to 64 when those have come`() {
        var gossip = gossip()
        var counts: [Int] = []
        for round in 0..<4 as Range<UInt64> {
            let start = Duration.seconds(Int64(round))
            let have = announcements((round * 100 + 1)...(round * 100 + 100))
            _ = gossip.handle(.message(have, from: a), at: start, random: &random)
            let asked = gossip.handle(.tick, at: start + .milliseconds(200), random: &random)
            counts.append(grafts(asked).count)
            for case .send(.graft(let id), _) in asked {
                let event = Gossip.Event.message(.payload(id, hops: 1, [1]), from: a)
                _ = gossip.handle(event, at: start + .milliseconds(210), random: &random)
            }
            // Those that were not asked for come too.
            for sequence in (round * 100 + 1)...(round * 100 + 100) {
                let event = Gossip.Event.message(.payload(message(sequence), hops: 1, [1]), from: a)
                _ = gossip.handle(event, at: start + .milliseconds(220), random: &random)
            }
        }
        #expect(counts == [16, 48, 64, 64])
        // Who leaves and comes back begins anew.
        _ = gossip.handle(.down(a), at: .seconds(5), random: &random)
        _ = gossip.handle(.up(a), at: .seconds(5), random: &random)
        _ = gossip.handle(.message(announcements(501...600), from: a), at: .seconds(5), random: &random)
        #expect(grafts(gossip.handle(.tick, at: .seconds(7), random: &random)).count == 16)
    }

    @Test func `who announces what it does not give is asked for one message a second, and others are not`() {
        var gossip = gossip()
        var (asked, others) = (0, 0)
        for step in 0..<100 as Range<UInt64> {
            let now = Duration.milliseconds(Int64(step) * 100)
            _ = gossip.handle(
                .message(announcements((step * 10 + 1)...(step * 10 + 9)), from: a), at: now, random: &random)
            _ = gossip.handle(
                .message(announcements((step * 10 + 10)...(step * 10 + 10)), from: b), at: now, random: &random)
            let actions = gossip.handle(.tick, at: now, random: &random)
            asked += grafts(actions).count { $0 == a }
            for case .send(.graft(let id), b) in actions {
                others += 1
                _ = gossip.handle(.message(.payload(id, hops: 1, [1]), from: b), at: now, random: &random)
            }
        }
        #expect((16...32) ~= asked, "\(asked)")
        #expect(others == 98, "each after 200 ms")
    }

    @Test func `what a repair has brought may come along its tree too, once`() {
        var gossip = gossip()
        _ = gossip.handle(.message(.repair(message(1), hops: 3, [1]), from: c), at: .zero, random: &random)
        let copy = Gossip.Event.message(.payload(message(1), hops: 5, [1]), from: a)
        #expect(gossip.handle(copy, at: .milliseconds(50), random: &random) == [], "its parent stays")
        let another = Gossip.Event.message(.payload(message(1), hops: 5, [1]), from: b)
        #expect(gossip.handle(another, at: .milliseconds(60), random: &random) == [.send(.prune(origin), to: b)])
    }

    @Test(arguments: [false, true])
    func `a tree that does not bring what a repair has brought is mended, and a whole one is left`(_ isWhole: Bool) {
        var gossip = gossip()
        _ = gossip.handle(.message(announcements(1...1), from: b), at: .zero, random: &random)
        let repair = Gossip.Event.message(.repair(message(1), hops: 3, [1]), from: c)
        #expect(gossip.handle(repair, at: .milliseconds(50), random: &random).first == .deliver(message(1), [1]))
        if isWhole {
            let copy = Gossip.Event.message(.payload(message(1), hops: 5, [1]), from: a)
            _ = gossip.handle(copy, at: .milliseconds(100), random: &random)
        }
        let later = gossip.handle(.tick, at: .milliseconds(200), random: &random)
        #expect(later.contains(.send(.graft(message(0)), to: b)) == !isWhole)
        #expect(!later.contains(.send(.graft(message(1)), to: b)), "it is here already")
    }

    @Test func `who has asked too early waits longer the next time`() {
        var gossip = gossip()
        _ = gossip.handle(.message(announcements(1...1), from: b), at: .zero, random: &random)
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(200), random: &random)) == [b])
        for (time, node) in [(230, b), (400, a)] {
            let copy = Gossip.Event.message(.payload(message(1), hops: 5, [1]), from: node)
            _ = gossip.handle(copy, at: .milliseconds(time), random: &random)
        }
        _ = gossip.handle(.message(announcements(2...2), from: b), at: .seconds(1), random: &random)
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(1599), random: &random)) == [])
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(1600), random: &random)) == [b])
    }

    @Test func `a shorter way is not taken twice: who was asked is one already`() {
        var gossip = gossip()
        _ = gossip.handle(.message(announcements(1...1), from: b), at: .zero, random: &random)
        #expect(grafts(gossip.handle(.tick, at: .milliseconds(200), random: &random)) == [b])
        let late = gossip.handle(
            .message(.payload(message(1), hops: 20, [1]), from: a), at: .milliseconds(210), random: &random)
        #expect(!late.contains(.send(.prune(origin), to: a)), "the answer of b will be the one too many")
        let answer = gossip.handle(
            .message(.payload(message(1), hops: 2, [1]), from: b), at: .milliseconds(220), random: &random)
        #expect(answer == [.send(.prune(origin), to: b)])
    }

    @Test func `who is no neighbour is not listened to`() {
        var gossip = gossip()
        let stranger = Self.id(50)
        #expect(
            gossip.handle(.message(.payload(message(1), hops: 1, [1]), from: stranger), at: .zero, random: &random)
                == [])
    }

    @Test func `an origin that was started again begins anew, and what is older is not taken`() {
        var gossip = gossip()
        _ = gossip.handle(.message(.payload(message(50), hops: 1, [1]), from: a), at: .zero, random: &random)
        let anew = gossip.handle(
            .message(.payload(message(1, epoch: 2), hops: 1, [2]), from: a), at: .zero, random: &random)
        #expect(anew.first == .deliver(message(1, epoch: 2), [2]))
        let old = gossip.handle(.message(.payload(message(51), hops: 1, [1]), from: b), at: .zero, random: &random)
        #expect(old == [.send(.prune(origin), to: b)])
    }

    @Test func `a message above the limit is not sent`() {
        var gossip = gossip { $0.maxSize = 10 }
        #expect(gossip.broadcast([UInt8](repeating: 1, count: 11), at: .zero) == nil)
        #expect(gossip.broadcast([UInt8](repeating: 1, count: 10), at: .zero) != nil)
    }

    @Test func `what answers a digest goes on, and leaves the tree as it is`() {
        var gossip = gossip()
        _ = gossip.handle(.message(.payload(message(1), hops: 1, [7]), from: a), at: .zero, random: &random)
        let known = gossip.handle(.message(.repair(message(1), hops: 1, [7]), from: a), at: .zero, random: &random)
        #expect(known == [], "the parent is not pruned for it")
        let new = gossip.handle(.message(.repair(message(2), hops: 1, [8]), from: b), at: .zero, random: &random)
        #expect(new.first == .deliver(message(2), [8]))
        for node in [a, c] { #expect(new.contains(.send(.repair(message(2), hops: 2, [8]), to: node))) }
        #expect(payloads(new) == [], "nobody is pruned for it either")
        let digest = GossipMessage.Digest(origin: origin, epoch: 1, highest: 1, gaps: [])
        let answer = gossip.handle(.message(.digest([digest]), from: c), at: .zero, random: &random)
        #expect(answer == [.send(.repair(message(2), hops: 2, [8]), to: c)])
    }

    @Test func `what a neighbour misses and nobody has any more is told, and reported once`() {
        var (here, there) = (gossip { $0.cacheTime = .seconds(1) }, gossip())
        for sequence in 1...5 as ClosedRange<UInt64> {
            let event = Gossip.Event.message(.payload(message(sequence), hops: 1, [1]), from: a)
            _ = here.handle(event, at: .zero, random: &random)
            if sequence == 1 || sequence == 5 { _ = there.handle(event, at: .zero, random: &random) }
        }
        _ = here.handle(.tick, at: .seconds(5), random: &random)
        let digest = there.digest(at: .seconds(5))
        #expect(digest.first?.gaps.contains(3) == true)
        let answer = here.handle(.message(.digest(digest), from: b), at: .seconds(5), random: &random)
        #expect(answer == [.send(.gone(origin: origin, epoch: 1, upTo: 4), to: b)])
        let event = Gossip.Event.message(.gone(origin: origin, epoch: 1, upTo: 4), from: a)
        #expect(
            there.handle(event, at: .seconds(5), random: &random)
                == [.gap(origin: origin, epoch: 1, sequences: [2, 3, 4])])
        #expect(there.handle(event, at: .seconds(5), random: &random) == [])
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `the window agrees with a set, whatever comes`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var sequence = random.next() % 100
        let first = sequence
        var window = SeenWindow(epoch: 1, first: sequence)
        var seen: Set<UInt64> = [sequence]
        for _ in 0..<3000 {
            let jump = random.next() % 100 == 0 ? random.next() % 3000 : random.next() % 6
            sequence = random.next() % 3 == 0 ? sequence + jump : sequence - min(sequence, random.next() % 1200)
            let highest = seen.max() ?? 0
            let isTooOld = sequence + SeenWindow.size <= highest || sequence + 32 < first
            let isNew = !seen.contains(sequence) && !isTooOld
            #expect(window.insert(sequence) == isNew, "seed \(seed), \(sequence) of \(highest)")
            if isNew { seen.insert(sequence) }
            sequence = max(sequence, highest)
        }
        let highest = seen.max() ?? 0
        let low = max(first > 32 ? first - 32 : 0, highest < SeenWindow.size ? 0 : highest - SeenWindow.size + 1)
        #expect(window.gaps(atMost: 2000) == (low..<max(low, highest)).filter { !seen.contains($0) }, "seed \(seed)")
    }
}
