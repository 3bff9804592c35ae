import Glibc
import OmniwayTesting
import OmniwayWire

/// Overlay and broadcast: E1 to E5, E12 and E14.
enum Experiments {
    static func e1(_ nodes: Int, seed: UInt64) -> Measured {
        let trial = Trial(seed)
        // Of ten times as many a second the walks cross, and link some who have a neighbour in common.
        trial.join(nodes, every: .milliseconds(20))
        let graph = trial.mesh.graph()
        var measured = Measured("E1 overlay", nodes, seed)
        measured.note("connected", Double(graph.reachable) / Double(nodes), Marks.everybody)
        measured.note("full views", graph.full, nodes >= 1000 ? Marks.fullViews : nil)
        measured.note("asymmetric", Double(graph.asymmetric), Marks.asymmetric)
        let isLarge = nodes >= 10_000
        measured.note("average path", graph.averagePath, isLarge ? Marks.averagePath : nil)
        measured.note("clustering", graph.clustering, isLarge ? Marks.clustering : nil)
        measured.note("eccentricity", Double(graph.eccentricity), isLarge ? Marks.eccentricity : nil)
        trial.finish(&measured)
        return measured
    }

    static func e2(_ nodes: Int, seed: UInt64, warmUp: Int = 60, messages: Int = 100) -> Measured {
        let trial = Trial(seed)
        trial.join(nodes, settle: .seconds(20))
        for _ in 0..<warmUp {
            trial.broadcast(from: 0)
            trial.mesh.run(for: .milliseconds(500))
        }
        trial.resetTraffic()
        let flood = trial.flood(from: 0)
        let numbers = (0..<messages).map { _ in
            let number = trial.broadcast(from: 0)
            trial.mesh.run(for: .milliseconds(500))
            return number
        }
        trial.mesh.run(for: .seconds(2))
        var measured = Measured("E2 one sender", nodes, seed)
        let all = trial.mesh.alive
        measured.note("reached", numbers.map { trial.reach($0, among: all) }.min() ?? 0, Marks.everybody)
        measured.note("redundancy", trial.redundancy, Marks.redundancyOne)
        measured.note("hops over flood", Double(trial.mesh.traffic.mostHops - flood.hops), Marks.hopsOverFlood)
        let last = numbers.map { trial.time($0) }.reduce(0, +) / Double(messages)
        measured.note("last after s", last)
        let least = (flood.times.compactMap { $0 }.max() ?? .zero) / .seconds(1)
        measured.note("last over flood", last / least, Marks.timeOverFlood)
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e3(
        _ nodes: Int, seed: UInt64, isRandom: Bool, warmUp: Int = 100, messages: Int = 100
    ) -> Measured {
        let trial = Trial(seed)
        trial.join(nodes, settle: .seconds(20))
        func send(_ round: Int) -> Int {
            let number = trial.broadcast(from: isRandom ? trial.mesh.some(1)[0] : round % 10)
            trial.mesh.run(for: .milliseconds(500))
            return number
        }
        for round in 0..<warmUp { _ = send(round) }
        trial.resetTraffic()
        let floodHops = isRandom ? 0 : (0..<10).map { trial.flood(from: $0).hops }.max() ?? 0
        let numbers = (0..<messages).map { send($0) }
        trial.mesh.run(for: .seconds(5))
        var measured = Measured(isRandom ? "E3 random senders" : "E3 ten senders", nodes, seed)
        let all = trial.mesh.alive
        measured.note("reached", numbers.map { trial.reach($0, among: all) }.min() ?? 0, Marks.everybody)
        measured.note(
            "redundancy", trial.redundancy, isRandom ? Marks.redundancyRandom : Marks.redundancyTen)
        if !isRandom {
            measured.note(
                "hops over flood", Double(trial.mesh.traffic.mostHops - floodHops), Marks.hopsOverFloodTen)
        }
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e4(_ nodes: Int, seed: UInt64) -> Measured {
        let trial = Trial(seed)
        trial.join(nodes, settle: .seconds(20))
        let numbers = (0..<nodes).map { trial.broadcast(from: $0) }
        trial.mesh.run(for: .seconds(20))
        var measured = Measured("E4 all at once", nodes, seed)
        let all = trial.mesh.alive
        measured.note("reached", numbers.map { trial.reach($0, among: all) }.min() ?? 0, Marks.everybody)
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        measured.note("missed", Double(trial.missed), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e5(_ nodes: Int, seed: UInt64, percent: Int) -> Measured {
        let trial = Trial(seed) { $0.keepAlive = .seconds(1) }
        trial.join(nodes, settle: .seconds(40))
        for _ in 0..<20 {
            trial.broadcast(from: 0)
            trial.mesh.run(for: .milliseconds(300))
        }
        let normal = trial.time(19)
        trial.mesh.crash(Array(trial.mesh.some(nodes).filter { $0 != 0 }.prefix(nodes * percent / 100)))
        let alive = trial.mesh.alive
        let first = trial.broadcast(from: 0)
        trial.mesh.run(for: .seconds(5))
        var measured = Measured("E5 crash of \(percent) %", nodes, seed)
        measured.note("first reached", trial.reach(first, among: alive), percent <= 90 ? Marks.firstAfterCrash : nil)
        measured.note("first after s", trial.time(first))
        let graph = trial.mesh.graph(samples: 1)
        measured.note(
            "connected", Double(graph.reachable) / Double(alive.count), percent <= 90 ? Marks.firstAfterCrash : nil)
        for name in ["second", "third", "fourth"] {
            let last = trial.broadcast(from: 0)
            trial.mesh.run(for: .seconds(1))
            let isMarked = name != "second" && percent <= 90
            measured.note("\(name) reached", trial.reach(last, among: alive), isMarked ? Marks.everybody : nil)
            measured.note("\(name) over normal", trial.time(last) / normal, isMarked ? Marks.timeAfterCrash : nil)
        }
        measured.note("repeated", Double(trial.repeated), Marks.repeated)
        trial.finish(&measured)
        return measured
    }

    static func e12(_ nodes: Int, seed: UInt64, size: Int) -> Measured {
        let trial = Trial(seed)
        trial.join(nodes, settle: .seconds(20))
        trial.mesh.network.bandwidth = 10_000_000 / 8
        trial.resetTraffic()
        let number = trial.broadcast(from: 0, size: size)
        trial.mesh.run(for: .seconds(60))
        var measured = Measured("E12 payload of \(size >> 10) KiB", nodes, seed)
        measured.note("reached", trial.reach(number, among: trial.mesh.alive), Marks.everybody)
        measured.note(
            "bytes over payload", Double(trial.mesh.traffic.bytes) / Double(size * (nodes - 1)), Marks.bytes)
        measured.note("last after s", trial.time(number))
        trial.finish(&measured)
        return measured
    }

    /// Of one core, by its own clock: what else runs on the machine does not count.
    static func e14(_ nodes: Int, seed: UInt64) -> Measured {
        let start = clock()
        let redone = e2(nodes, seed: seed)
        let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
        var measured = Measured("E14 speed of E2", nodes, seed)
        let isLarge = nodes >= 10_000
        measured.note(
            "events/s", (Double(redone.events) / seconds).rounded(), isLarge ? Marks.speedOfLarge : Marks.speed)
        measured.note("s", seconds, isLarge ? Marks.largeTime : nil)
        (measured.events, measured.trace) = (redone.events, redone.trace)
        return measured
    }
}
