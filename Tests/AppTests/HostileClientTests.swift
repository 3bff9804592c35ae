import Omniway
import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

/// A server among clients that send what they like: nobody else notices.
@Suite struct HostileClientTests {
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `random bytes, half packets and abrupt ends keep the echo of others`(_ seed: UInt64) async throws {
        var settings = AppSettings()
        (settings.rateLimit, settings.maxPacketSize, settings.maxInflatedSize) = (nil, 4096, 16 << 10)
        let app = App(type: "room", settings: settings)
        app.on("room.echo") { (body: [UInt8], context) in body }
        app.on("room.sleep") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(1))
            return body
        }
        let world = try await AppWorld(app, seed: seed)
        let good = [await world.player(), await world.player(keepsMessages: true)]
        var random = SeededRandom(seed: seed)
        var echoes = 0
        for number in 1...40 as ClosedRange<UInt64> {
            let bad = await world.client(keepsMessages: Bool.random(using: &random))
            for piece in Self.pieces(&random) {
                await bad.send(piece)
                if Int.random(in: 0..<20, using: &random) == 0 { break }
            }
            for player in good {
                let body = "{\"n\":\(number)}"
                #expect(await player.ask("room.echo", body, id: number) == body, "seed \(seed), client \(number)")
                echoes += 1
            }
            if Bool.random(using: &random) { await bad.close() }
        }
        #expect(echoes == 80)
        // Those that hold on are cut for their silence; who plays says something now and then.
        for _ in 0..<12 {
            world.world.advance(by: .seconds(10))
            for player in good { await player.send([3, 0, 0, 0]) }
        }
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 2, "seed \(seed)")
        for player in good { #expect(await player.ask("room.echo", "still", id: 99) == "still") }
    }

    /// A conversation, whole or not, with what was done to it.
    private static func pieces(_ random: inout SeededRandom) -> [[UInt8]] {
        let kinds = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0..<8, using: &random) }
        let start = Bool.random(using: &random) ? [TestClient.handshake, [2, 0, 0, 0]] : []
        return start + kinds.map { changed(piece($0, &random), &random) }
    }

    private static func piece(_ kind: Int, _ random: inout SeededRandom) -> [UInt8] {
        let id = UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0...63, using: &random)
        switch kind {
        case 0: return TestClient.handshake
        case 1: return [UInt8.random(in: 0...6, using: &random), 0, 0, 0]
        case 2: return TestClient.message(.request(id: id, .text("room.room.echo")), "hello")
        case 3: return TestClient.message(.request(id: id, .text("room.room.sleep")), "hello")
        case 4: return TestClient.message(.notify(.text("room.room.nobody")), "{}")
        case 5: return TestClient.message(.push(.code(7)), "{}")
        case 6: return compressed([UInt8](repeating: 0, count: 1 << Int.random(in: 4...18, using: &random)), id)
        default: return (0..<Int.random(in: 1...300, using: &random)).map { _ in .random(in: 0...255, using: &random) }
        }
    }

    /// A request whose body may grow beyond what is allowed.
    private static func compressed(_ body: [UInt8], _ id: UInt64) -> [UInt8] {
        let short = PomeloCompression(threshold: 0).compressed(unsafe body.span.bytes, by: DeflatePool()) ?? body
        var bytes: [UInt8] = []
        try! PomeloMessageHead.request(id: id, .text("room.room.echo"))
            .append(to: &bytes, body: short.count, isCompressed: true)
        return bytes + short
    }

    private static func changed(_ piece: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var piece = piece
        switch Int.random(in: 0..<5, using: &random) {
        case 0: piece[Int.random(in: 0..<piece.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: piece.removeLast(Int.random(in: 0..<piece.count, using: &random))
        case 2: piece += [.random(in: 0...255, using: &random)]
        default: break
        }
        return piece
    }
}
