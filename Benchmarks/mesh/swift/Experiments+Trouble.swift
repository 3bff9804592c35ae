import OmniwayTesting
import OmniwayWire

/// What goes wrong: churn, partitions, loss, slow nodes, attackers, resends. E6 to E11 and E15.
extension Experiments {
    static func e6(_ nodes: Int, seed: UInt64, time: Int = 600) -> Measured {
        let trial = Trial(seed) { $0.keepAlive = .seconds(1) }
        let mesh = trial.mesh
        trial.join(nodes, settle: .seconds(20))
        var since = [Duration](repeating: .zero, count: nodes)
        var until = [Duration](repeating: .seconds(1 << 30), count: nodes)
        var numbers: [Int] = []
        trial.resetTraffic()
        for _ in 0..<time {
            let leaving = mesh.some(mesh.count).filter { $0 > 9 && mesh.isAlive($0) }.prefix(max(1, nodes / 100))
            for (index, node) in leaving.enumerated() {
                if index.isMultiple(of: 2) { mesh.crash([node]) } else { mesh.leave(node) }
                until[node] = mesh.now
            }
            for _ in leaving {
                mesh.add(contact: mesh.one(of: mesh.alive))
                since.append(mesh.now)
                until.append(.seconds(1 << 30))
            }
            numbers.append(trial.broadcast(from: 0))
            mesh.run(for: .seconds(1))
        }
        mesh.run(for: .seconds(15))
        let reached = numbers.map { number in
            let at = trial.sent[number].at
            let there = (0..<mesh.count).filter {
                since[$0] <= at - .seconds(5) && until[$0] >= at + .seconds(5)
            }
            return trial.reach(number, among: there)
        }
        var measured = Measured("E6 churn", nodes, seed)
        measured.note("reached", reached.reduce(0, +) / Double(reached.count), Marks.churn)
        measured.note("redundancy", trial.redundancy, nodes >= 1000 ? Marks.redundancyChurn : nil)
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e7(_ nodes: Int, seed: UInt64, share: Double, time: Duration) -> Measured {
        let trial = Trial(seed) { $0.keepAlive = .seconds(1) }
        let mesh = trial.mesh
        trial.join(nodes, settle: .seconds(20))
        let cut = Int(Double(nodes) * share)
        mesh.blocks = { ($0 < cut) != ($1 < cut) }
        var young: [Int] = []
        let (start, step) = (mesh.now, Duration.seconds(1))
        while mesh.now - start < time {
            let numbers = [trial.broadcast(from: 0), trial.broadcast(from: nodes - 1)]
            mesh.run(for: step)
            if time - (mesh.now - start) <= .seconds(10) { young += numbers }
        }
        mesh.blocks = nil
        let healed = mesh.now
        var isWhole = false
        while !isWhole, mesh.now - healed < .seconds(60) {
            mesh.run(for: .milliseconds(200))
            isWhole = mesh.graph(samples: 1).reachable == nodes
        }
        let seconds = (mesh.now - healed) / .seconds(1)
        mesh.run(for: .seconds(30))
        let all = mesh.alive
        var measured = Measured("E7 \(Int(share * 100)) % apart for \(time)", nodes, seed)
        measured.note("whole after s", isWhole ? seconds : 60, Marks.healing)
        measured.note("young reached", young.map { trial.reach($0, among: all) }.min() ?? 1, Marks.everybody)
        measured.note("reported missing", Double(trial.missed))
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e8(
        _ nodes: Int, seed: UInt64, _ name: String, messages: Int = 40,
        _ change: (inout SimulatedMesh.Network) -> Void
    ) -> Measured {
        let trial = Trial(seed)
        trial.join(nodes, settle: .seconds(20))
        change(&trial.mesh.network)
        let numbers = (0..<messages).map { _ in
            let number = trial.broadcast(from: 0)
            trial.mesh.run(for: .milliseconds(500))
            return number
        }
        trial.mesh.run(for: .seconds(60))
        let all = trial.mesh.alive
        var measured = Measured("E8 \(name)", nodes, seed)
        measured.note("reached", numbers.map { trial.reach($0, among: all) }.min() ?? 0, Marks.everybody)
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        measured.note("missed", Double(trial.missed), Marks.repeated)
        measured.note("redundancy", trial.redundancy)
        trial.finish(&measured)
        return measured
    }

    /// A twentieth of the nodes stand still for ten seconds again and again, and their links are a hundred times
    /// slower: how many of the others are given up, with Lifeguard and without, and how long messages take to them.
    static func e9(_ nodes: Int, seed: UInt64, time: Int = 60) -> Measured {
        var measured = Measured("E9 slow nodes", nodes, seed)
        let without = Slowness(nodes, seed: seed, time, isGuarded: false)
        let with = Slowness(nodes, seed: seed, time, isGuarded: true)
        measured.note("false alarms without", Double(without.alarms), Marks.alarms)
        measured.note("with Lifeguard", Double(with.alarms))
        let ratio = with.alarms == 0 ? .infinity : Double(without.alarms) / Double(with.alarms)
        measured.note("ratio", ratio, Marks.lifeguard)
        measured.note("others' latency over the least", with.latency / with.least, Marks.latencyOfOthers)
        with.trial.finish(&measured)
        return measured
    }

    /// The run of E9.
    private final class Slowness {
        let trial: Trial
        /// How often somebody took one for dead that was neither dead nor slow.
        private(set) var alarms = 0
        /// From the sending of a message to its arrival at those that are not slow, on average.
        private(set) var latency = 0.0
        /// The same by flooding, when the slow ones pass nothing on.
        private(set) var least = 0.0

        init(_ nodes: Int, seed: UInt64, _ time: Int, isGuarded: Bool) {
            trial = Trial(seed) {
                $0.listsMembers = true
                if !isGuarded {
                    $0.detector.mostUnhealthy = 0
                    $0.detector.unconfirmed = 1
                }
            }
            let mesh = trial.mesh
            trial.join(nodes, settle: .seconds(20))
            let slow = Set(1...max(1, nodes / 20))
            trial.alsoTold = { [unowned self] _, event in
                if case .left(let id) = event, let node = mesh.number(of: id), !slow.contains(node) { alarms += 1 }
            }
            mesh.delays = { from, to in
                slow.contains(from) || slow.contains(to) ? mesh.latency(from, to) * 99 : .zero
            }
            var numbers: [Int] = []
            for round in 0..<time {
                if round.isMultiple(of: 12) { for node in slow.sorted() { mesh.pause(node, for: .seconds(10)) } }
                numbers.append(trial.broadcast(from: 0))
                mesh.run(for: .seconds(1))
            }
            mesh.run(for: .seconds(30))
            // Trees have learnt who is slow by then.
            let late = numbers.suffix(time / 2).map { number in
                trial.mean(trial.sent[number].arrivals.map { $0.map { $0 - trial.sent[number].at } }, without: slow)
            }
            latency = late.reduce(0, +) / Double(late.count)
            least = trial.mean(trial.flood(from: 0) { !slow.contains($0) }.times, without: slow)
        }
    }

    /// The median of several crashes, each in a run of its own: whom a node probes next is chance.
    static func e10(_ nodes: Int, seed: UInt64, crashes: UInt64 = 7) -> Measured {
        var measured = Measured("E10 failure detector", nodes, seed)
        let runs = (0..<crashes).map { crash(nodes, seed: seed + $0, &measured) }
        func median(_ value: (Crash) -> Double) -> Double { runs.map(value).sorted()[runs.count / 2] }
        measured.note("know of it", runs.map(\.known).min() ?? 0, Marks.everybody)
        measured.note("first suspects after s", median { $0.first }, Marks.detection)
        measured.note("all suspect after s", median { $0.last }, Marks.allKnow)
        measured.note("all are sure after s", median { $0.sure })
        measured.note("messages/s and node", runs.map(\.probes).max() ?? 0, Marks.probes)
        return measured
    }

    private struct Crash {
        let known: Double
        let first: Double
        let last: Double
        let sure: Double
        let probes: Double
    }

    private static func crash(_ nodes: Int, seed: UInt64, _ measured: inout Measured) -> Crash {
        let trial = Trial(seed) { $0.listsMembers = true }
        let mesh = trial.mesh
        trial.join(nodes, settle: .seconds(40))
        trial.resetTraffic()
        mesh.run(for: .seconds(10))
        let probes = Double(mesh.traffic.probes) / Double(10 * nodes)
        let victim = mesh.id(nodes - 1)
        var goneAt: [Int: Duration] = [:]
        trial.alsoTold = { node, event in if event == .left(victim) { goneAt[node] = mesh.now } }
        mesh.crash([nodes - 1])
        let start = mesh.now
        var suspectedAt: [Duration] = []
        var unaware = Array(0..<(nodes - 1))
        while goneAt.count < nodes - 1, mesh.now - start < .seconds(120) {
            mesh.run(for: .milliseconds(100))
            let still = unaware.filter { mesh.node($0).overlay.detector?.status(of: victim) == .alive }
            suspectedAt += Array(repeating: mesh.now - start, count: unaware.count - still.count)
            unaware = still
        }
        trial.finish(&measured)
        return Crash(
            known: Double(goneAt.count) / Double(nodes - 1),
            first: (suspectedAt.first ?? .seconds(120)) / .seconds(1),
            last: (suspectedAt.last ?? .seconds(120)) / .seconds(1),
            sure: ((goneAt.values.max() ?? .seconds(120)) - start) / .seconds(1), probes: probes)
    }

    /// A fifth of the nodes collude: they give only each other away, forge messages, and ask and announce without end.
    /// What they make honest nodes send is compared with what those send when the same nodes behave.
    static func e11(_ nodes: Int, seed: UInt64) -> Measured {
        var measured = Measured("E11 attackers", nodes, seed)
        let peace = Siege(nodes, seed: seed, isReal: false)
        let siege = Siege(nodes, seed: seed, isReal: true)
        let honest = siege.trial.mesh.alive.filter { !siege.evil.contains($0) }
        let reached = (0..<Siege.rounds).map { siege.trial.reach($0, among: honest) }
        measured.note("honest reached", reached.min() ?? 0, Marks.everybody)
        measured.note(
            "bytes of honest nodes over peace", Double(siege.bytes) / Double(peace.bytes), Marks.extraTraffic)
        // Not marked: what is small weighs as much here as what is large.
        measured.note("messages over peace", Double(siege.messages) / Double(peace.messages))
        measured.note("copies over peace", Double(siege.copies) / Double(peace.copies))
        let passive = honest.flatMap { siege.trial.mesh.acquaintances($0) }
        let poisoned = Double(passive.count { siege.evil.contains($0) }) / Double(max(1, passive.count))
        measured.note("poisoned share", poisoned, Marks.poisoned)
        measured.note("repeated", Double(siege.trial.repeated), Marks.repeated)
        let forged = honest.reduce(0) { $0 + siege.trial.mesh.node($1).overlay.counts.invalidSignatures }
        measured.note("forgeries refused", Double(forged))
        siege.trial.finish(&measured)
        return measured
    }

    /// The run of E11, and what its honest nodes send.
    private final class Siege {
        static let rounds = 20
        let trial: Trial
        private(set) var evil: Set<Int> = []
        private(set) var messages = 0
        private(set) var copies = 0
        private(set) var bytes = 0

        init(_ nodes: Int, seed: UInt64, isReal: Bool) {
            trial = Trial(seed) { $0.signs = true }
            let mesh = trial.mesh
            trial.join(nodes, settle: .seconds(20))
            evil = Set(mesh.some(nodes / 5).filter { $0 != 0 })
            let evilIDs = evil.sorted().map { mesh.id($0) }
            var random = SeededRandom(seed: seed)
            mesh.sending = { [unowned self] node, message, _ in
                guard evil.contains(node) else {
                    count(message)
                    return message
                }
                return isReal ? Self.poisoned(message, evilIDs, &random) : message
            }
            for number in 0..<Self.rounds {
                if isReal {
                    for node in evil.sorted() {
                        for victim in mesh.neighbors(node) { Experiments.attack(mesh, node, victim, number) }
                    }
                }
                trial.broadcast(from: 0)
                mesh.run(for: .seconds(1))
            }
            mesh.run(for: .seconds(30))
        }

        private func count(_ message: MeshMessage) {
            messages += 1
            bytes += message.size
            switch message {
            case .gossip(.payload), .gossip(.repair): copies += 1
            default: break
            }
        }

        private static func poisoned(
            _ message: MeshMessage, _ evil: [NodeID], _ random: inout SeededRandom
        ) -> MeshMessage {
            switch message {
            case .member(.shuffle(let origin, let walk, let nodes)):
                let poison = nodes.map { _ in evil.randomElement(using: &random) ?? origin }
                return .member(.shuffle(origin: origin, walk: walk, nodes: poison))
            case .member(.shuffleReply(let nodes)):
                return .member(.shuffleReply(nodes.compactMap { _ in evil.randomElement(using: &random) }))
            default: return message
            }
        }
    }

    private static func attack(_ mesh: SimulatedMesh, _ node: Int, _ victim: Int, _ round: Int) {
        let forged = GossipID(origin: mesh.id(0), epoch: 1, sequence: UInt64(1_000_000 + round))
        let announcements = (0..<100).map {
            GossipMessage.Announcement(
                id: GossipID(origin: mesh.id(node), epoch: 9, sequence: UInt64(round * 100 + $0)), hops: 1,
                isLarge: false)
        }
        let lies: [GossipMessage] = [
            .payload(forged, hops: 1, [UInt8](repeating: 0, count: 80)), .have(announcements), .graft(forged),
            .prune(mesh.id(0)),
            .digest((0..<200).map { _ in GossipMessage.Digest(origin: mesh.id(0), epoch: 1, highest: 0, gaps: [1]) }),
        ]
        for lie in lies { mesh.happen(victim, .received(.gossip(lie), from: mesh.id(node))) }
    }

    /// Requests over a network that loses and repeats, to nodes that crash and come back.
    static func e15(_ nodes: Int, seed: UInt64, requests: Int = 500) -> Measured {
        let trial = Trial(seed) {
            $0.keepAlive = .seconds(1)
            $0.dials = false
        }
        let mesh = trial.mesh
        var effects: [String: Int] = [:]
        mesh.answering = { node, request in
            effects["\(node) \(request.bytes)", default: 0] += 1
            return .bytes(request.bytes)
        }
        trial.join(nodes, settle: .seconds(20))
        for node in 0..<nodes { trial.broadcast(from: node) }
        mesh.run(for: .seconds(5))
        mesh.network.loss = 0.1
        mesh.network.duplication = 0.3
        mesh.network.disorder = .milliseconds(200)
        var acknowledged: [String] = []
        var (failed, finished) = (0, 0)
        for number in 0..<requests {
            let running = mesh.alive
            guard let from = mesh.one(of: running), let to = mesh.one(of: running.filter({ $0 != from })) else { break }
            let body = [UInt8(number >> 8), UInt8(number & 255)]
            mesh.request(from: from, to: to, "effect", body, within: .seconds(20)) { result in
                finished += 1
                if case .success = result { acknowledged.append("\(to) \(body)") } else { failed += 1 }
            }
            mesh.run(for: .milliseconds(100))
            if number % 20 == 10, let victim = mesh.one(of: running.filter { $0 > 2 }) {
                mesh.crash([victim])
                mesh.run(for: .milliseconds(300))
                mesh.restart(victim, contact: 0)
            }
        }
        mesh.run(for: .seconds(40))
        var measured = Measured("E15 exactly once", nodes, seed)
        measured.note("acknowledged", Double(acknowledged.count))
        measured.note("failed", Double(failed))
        measured.note("most effects", Double(acknowledged.map { effects[$0] ?? 0 }.max() ?? 0), Marks.effects)
        measured.note("fewest effects", Double(acknowledged.map { effects[$0] ?? 0 }.min() ?? 0), Mark.atLeast(1))
        measured.note("most effects of failed ones", Double(effects.values.max() ?? 0), Marks.effects)
        trial.finish(&measured)
        return measured
    }
}
