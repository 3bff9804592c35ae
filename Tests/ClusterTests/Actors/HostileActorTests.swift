import Distributed
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

/// Peers that send what no program of ours sends, to hosts and to callers.
@Suite(.timeLimit(.minutes(2))) struct HostileActorTests {
    /// A call as it is on the wire.
    struct Call {
        var type = "ClusterTests.Tally"
        var name = "a"
        var target: String
        var arguments: [[UInt8]] = []
        var number: UInt64 = 1

        var bytes: [UInt8] {
            var bytes: [UInt8] = [1, 1] + integer(number, 8) + integer(number, 8) + integer(5000, 4)
            for text in [type, name, target] { bytes += integer(UInt64(text.utf8.count), 2) + Array(text.utf8) }
            bytes.append(UInt8(arguments.count))
            for argument in arguments { bytes += integer(UInt64(argument.count), 4) + argument }
            return bytes
        }

        private func integer(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
        }
    }

    static let add = "$s12ClusterTests5TallyC3addyS2iYaKFTE"

    @Test func `a call is what this file says it is`() async throws {
        let world = try await ActorWorld()
        let heard = Lock<[UInt8]>([])
        try await world.pretendToHost("a") { message in
            heard.withLock { $0 = message.body }
            try? message.respond([0, 0, 0] + Array("12".utf8))
        }
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.add(5) } == 12)
        let bytes = heard.withLock { $0 }
        #expect(bytes.dropFirst(22) == Call(target: Self.add, arguments: [[UInt8(ascii: "5")]]).bytes.dropFirst(22))
    }

    @Test func `a method of another type is not run on an actor that has none`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a")
        let open = "$s12ClusterTests5VaultC4openSSyYaKFTE"
        let vault = world.systems[0]
        try await world.world.run { _ = try await vault.host("v") { Vault(actorSystem: $0) } }
        let right = Call(type: "ClusterTests.Vault", name: "v", target: open)
        #expect(try await world.ask(right.bytes) == "\0\0\0\"the secret\"")
        #expect(try await world.refused(Call(target: open, number: 2)))
    }

    @Test func `methods that are none, and arguments that do not fit, are refused`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a")
        let targets = [
            "", "$s", "add", "$s12ClusterTests5TallyC", "$s12ClusterTests5TallyCFTE",
            "$s12ClusterTests5TallyC3subyS2iYaKFTE", "$s12ClusterTests5TallyC3addyS2SYaKFTE",
            "$s12ClusterTests5TallyC4sameyxxYaKSeRzSERzs8SendableRzlFTE", "$s12ClusterTests5TallyC3add\u{1}\u{2}FTE",
            "$s12ClusterTests5TallyC5VaultC4openSSyYaKFTE", "$s12ClusterTests5TallyC3nowSivgFTE",
            Self.add + Self.add, String(repeating: "$s12ClusterTests5TallyC", count: 170) + "FTE",
        ]
        var number: UInt64 = 1
        for target in targets {
            #expect(try await world.refused(Call(target: target, arguments: [[0x31]], number: number)), "\(target)")
            number += 1
        }
        let arguments: [[[UInt8]]] = [[], [[]], [Array("\"5\"".utf8)], [[0xff]], [Array("[".utf8)]]
        for arguments in arguments + [[[UInt8](repeating: UInt8(ascii: "["), count: 100_000)]] {
            #expect(try await world.refused(Call(target: Self.add, arguments: arguments, number: number)))
            number += 1
        }
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.now } == 0)
    }

    @Test func `cut and spoilt calls do no harm`() async throws {
        let world = try await ActorWorld()
        _ = try await world.host("a")
        let whole = Call(target: Self.add, arguments: [[UInt8(ascii: "5")]]).bytes
        var calls = (0..<whole.count).map { Array(whole.prefix($0)) }
        var random = SeededRandom(seed: 11)
        for _ in 0..<2000 {
            var spoilt = whole
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<spoilt.count, using: &random)
                // Letters more often than not: they come further.
                spoilt[place] =
                    Bool.random(using: &random)
                    ? UInt8.random(in: 48...122, using: &random) : .random(in: 0...255, using: &random)
            }
            calls.append(spoilt)
        }
        for call in calls { try await world.publish(call) }
        let tally = try world.tally("a")
        #expect(try await world.world.run { try await tally.isOnLoop })
        #expect(await world.count("omniway_actor_nonsense_total", loop: 1) ?? 0 > Double(whole.count - 1))
        world.world.advance(by: .seconds(3600))
        #expect(await world.count("omniway_actor_runs", loop: 1) == 0)
    }

    @Test func `a host that answers nonsense is told from one that answers`() async throws {
        let world = try await ActorWorld()
        let answer = Lock<[UInt8]>([])
        try await world.pretendToHost("a") { message in try? message.respond(answer.withLock { $0 }) }
        let tally = try world.tally("a")
        let unreadable: [[UInt8]] = [
            [], [0], [9, 0, 0], [0, 255, 255], [0, 0, 0], [0, 0, 0] + Array("\"x\"".utf8),
            [2, 1, 0, UInt8(ascii: "?")],
        ]
        for bytes in unreadable {
            answer.withLock { $0 = bytes }
            #expect(await world.code { try await tally.now } == .unreadable, "\(bytes)")
        }
        let type = Array("ClusterTests.PlainError".utf8)
        answer.withLock { $0 = [1, UInt8(type.count), 0] + type + Array("{}".utf8) }
        #expect(await world.code { try await tally.now } == .failed)
    }
}

extension ActorWorld {
    /// The subject of the first system.
    private func subject() async throws -> String {
        let registry = registries[0]
        let entry = try await world.run { try await registry.get("omniway/actors/ClusterTests.Tally/a") }
        return "omniway.actors.\(try #require(entry).value)"
    }

    func ask(_ call: [UInt8]) async throws -> String {
        let (subject, bus, home) = (try await subject(), bus, world.loops[2])
        return try await world.run { try await bus.request(subject, call, on: home).text }
    }

    func publish(_ call: [UInt8]) async throws {
        let (subject, bus, home) = (try await subject(), bus, world.loops[2])
        try await world.run {
            try await home.run { try bus.port(on: $0).publish(subject, call, replyTo: "nobody.hears") }
        }
    }

    func refused(_ call: HostileActorTests.Call) async throws -> Bool { try await ask(call.bytes).contains("refused") }

    /// A host that is none of ours.
    func pretendToHost(_ name: String, _ receive: @escaping @Sendable (BusMessage) -> Void) async throws {
        let (bus, home, registry) = (bus, world.loops[1], registries[0])
        try await world.run {
            try await registry.put("omniway/actors/ClusterTests.Tally/\(name)", "pretender")
            try await home.run { loop in _ = try bus.port(on: loop).subscribe("omniway.actors.pretender", receive) }
        }
    }
}
