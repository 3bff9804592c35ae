import Omniway
import OmniwayTelemetry
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

/// The contract of docs/app.md under messages, pauses, cuts and full servers as they come; a seed repeats a run.
@Suite struct ModelTests {
    /// What a client sends, in this order.
    private struct Message {
        let number: Int
        let route: String
        let isRequest: Bool
        var id: UInt64 { UInt64(number + 1) }
        var bytes: [UInt8] {
            let route = PomeloMessageHead.Route.text("room.\(isRequest ? "" : "note")\(self.route)")
            return TestClient.message(isRequest ? .request(id: id, route) : .notify(route), "\(number)")
        }
    }

    private struct Player {
        let client: TestClient
        let id: Int64
        let keepsMessages: Bool
        let messages: [Message]
        /// What is still to be sent, in pieces.
        var pieces: [[UInt8]]
        var isPaused = false
        var hasLeft = false
    }

    /// Which messages of each session have begun, in their order.
    private final class Begun: Sendable {
        private let sessions = Lock<[Int64: [Int]]>([:])
        func note(_ body: [UInt8], _ context: Context) {
            let number = Int(String(decoding: body, as: UTF8.self)) ?? -1
            sessions.withLock { $0[context.session.id, default: []].append(number) }
        }
        func of(_ session: Int64) -> [Int] { sessions.withLock { $0[session] ?? [] } }
        var count: Int { sessions.withLock { $0.values.reduce(0) { $0 + $1.count } } }
    }

    private static let kinds = ["plain", "async", "sleep", "fail", "much"]

    private func app(_ settings: AppSettings, _ begun: Begun) -> App {
        let app = App(type: "room", settings: settings)
        for prefix in ["room.", "room.note"] {
            func on(_ kind: String, _ answer: @escaping @Sendable ([UInt8], Context) throws -> [UInt8]) {
                if prefix == "room." { return app.on(prefix + kind, answer) }
                app.onNotify(prefix + kind) { (body: [UInt8], context) in _ = try answer(body, context) }
            }
            func onAsync(_ kind: String, _ time: @escaping @Sendable ([UInt8]) -> Duration?) {
                let wait: nonisolated(nonsending) @Sendable ([UInt8], Context) async throws -> [UInt8] = {
                    body, context in
                    begun.note(body, context)
                    if let time = time(body) { try await context.sleep(for: time) }
                    return body
                }
                if prefix == "room." { return app.on(prefix + kind, wait) }
                app.onNotify(prefix + kind) { (body: [UInt8], context) in _ = try await wait(body, context) }
            }
            on("plain") { body, context in
                begun.note(body, context)
                return body
            }
            on("fail") { body, context in
                begun.note(body, context)
                throw AppError("NO", String(decoding: body, as: UTF8.self))
            }
            on("much") { body, context in
                begun.note(body, context)
                try context.session.push("onMuch", [UInt8](repeating: 7, count: 3000))
                return body
            }
            onAsync("async") { _ in nil }
            onAsync("sleep") { .milliseconds(10 + 7 * Int($0.last ?? 0) % 50) }
        }
        return app
    }

    @Test(arguments: 1...60) func `every message begins in its turn and is answered once`(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        var settings = AppSettings()
        (settings.compression, settings.heartbeat) = (.off, .seconds(60))
        settings.queue = QueueLimits(low: 1000, high: 4000, most: 4 << 20)
        settings.inFlight.perSession = .random(in: 1...4, using: &random)
        settings.inFlight.perServer = .random(in: 1...8, using: &random)
        let refuses = Bool.random(using: &random)
        if refuses { settings.inFlight.whenFull = .refuses(retryAfter: .seconds(1)) }
        let begun = Begun()
        let world = try await AppWorld(
            app(settings, begun), loops: .random(in: 1...3, using: &random), seed: seed)
        let leaves = Bool.random(using: &random)

        var players: [Player] = []
        for number in 1...Int.random(in: 2...6, using: &random) {
            players.append(await player(number, in: world, &random))
        }
        while players.contains(where: { !$0.hasLeft && !$0.pieces.isEmpty }) {
            let index = Int.random(in: players.indices, using: &random)
            await step(&players[index], leaves: leaves, &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                world.world.advance(by: .milliseconds(.random(in: 0...40, using: &random)))
            }
            let waiting = await world.waiting
            #expect(waiting <= players.count, "seed \(seed)")
        }
        for index in players.indices where players[index].isPaused { await read(&players[index], true) }
        world.world.advance(by: .seconds(50))

        for player in players { try await check(player, begun.of(player.id), refuses, "seed \(seed)") }
        #expect(await world.meter("omniway_app_calls") == 0, "seed \(seed)")
        #expect(await world.waiting == 0, "seed \(seed)")
        if !players.contains(where: \.hasLeft) {
            let answered = await world.records("pitaya_handler_response_time_ns")?.count ?? 0
            #expect(Int(answered) == begun.count, "seed \(seed)")
        }
        // Nobody says anything any more; the ends of some who left could not be read.
        if Bool.random(using: &random) { world.world.advance(by: .seconds(180)) } else { await world.app.stop() }
        #expect(world.app.sessionCount == 0, "seed \(seed)")
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 0, "seed \(seed)")
    }

    private func player(_ number: Int, in world: AppWorld, _ random: inout SeededRandom) async -> Player {
        let keepsMessages = Bool.random(using: &random)
        let client = await world.player(keepsMessages: keepsMessages)
        let messages = (0..<Int.random(in: 1...30, using: &random)).map { number in
            Message(
                number: number, route: Self.kinds.randomElement(using: &random) ?? "plain",
                isRequest: Int.random(in: 0..<4, using: &random) > 0)
        }
        var packets: [[UInt8]] = []
        for message in messages {
            // Again a handshake, whose ack follows at once.
            if Int.random(in: 0..<10, using: &random) == 0 { packets += [TestClient.handshake, [2, 0, 0, 0]] }
            if Int.random(in: 0..<10, using: &random) == 0 { packets.append([3, 0, 0, 0]) }
            packets.append(message.bytes)
        }
        var pieces: [[UInt8]] = []
        if keepsMessages {  // One or several packets in a message.
            while !packets.isEmpty {
                let count = min(packets.count, .random(in: 1...4, using: &random))
                pieces.append(packets.prefix(count).flatMap(\.self))
                packets.removeFirst(count)
            }
        } else {  // Cut anywhere.
            var bytes = packets.flatMap(\.self)[...]
            while !bytes.isEmpty {
                pieces.append(Array(bytes.prefix(.random(in: 1...120, using: &random))))
                bytes = bytes.dropFirst(pieces.last?.count ?? 0)
            }
        }
        return Player(
            client: client, id: Int64(number), keepsMessages: keepsMessages, messages: messages, pieces: pieces)
    }

    private func step(_ player: inout Player, leaves: Bool, _ random: inout SeededRandom) async {
        if player.hasLeft { return }
        switch Int.random(in: 0..<30, using: &random) {
        case 0 where leaves:
            await player.client.close()
            player.hasLeft = true
        case 1, 2: await read(&player, player.isPaused)
        case _ where player.pieces.isEmpty: break
        default:
            // Sometimes together with what others say.
            let piece = player.pieces.removeFirst()
            if Bool.random(using: &random) {
                await player.client.write(piece)
            } else {
                await player.client.send(piece)
            }
        }
    }

    private func read(_ player: inout Player, _ reads: Bool) async {
        player.isPaused = !reads
        await player.client.recorder.run { _, recorder in
            if reads { recorder.link?.resumeReading() } else { recorder.link?.pauseReading() }
        }
    }

    private func check(_ player: Player, _ begun: [Int], _ refuses: Bool, _ seed: Comment) async throws {
        #expect(zip(begun, begun.dropFirst()).allSatisfy { $0 < $1 }, seed)
        if player.hasLeft { return }
        #expect(await !player.client.isOver, seed)
        if !refuses { #expect(begun == Array(player.messages.indices), seed) }
        var answers: [UInt64: [String]] = [:]
        while let message = await player.client.message() {
            if message.kind == "response" { answers[message.id, default: []].append(message.text) }
        }
        for message in player.messages where message.isRequest {
            let found = answers[message.id] ?? []
            #expect(found.count == 1, seed)
            let isRefused = found.first?.contains("PIT-503") == true
            #expect(isRefused == !begun.contains(message.number), seed)
            if message.route == "fail", !isRefused {
                #expect(found.first == #"{"code":"NO","msg":"\#(message.number)"}"#, seed)
            } else if !isRefused {
                #expect(found.first == "\(message.number)", seed)
            }
        }
        #expect(answers.count == player.messages.count { $0.isRequest }, seed)
    }
}
