import Omniway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp
@testable import SerializerExample

/// Packets that stand otherwise among the bytes.
@Suite struct PacketCodecTests {
    private static func app(_ codec: any PacketCodec, most: Int = 4 << 20) -> App {
        var settings = AppSettings()
        (settings.codec, settings.maxPacketSize, settings.heartbeat) = (codec, most, .seconds(2))
        let app = App(type: "room", settings: settings)
        app.on("room.echo") { (body: [UInt8], context) in
            try context.session.push("onEcho", "pushed")
            return body
        }
        app.onNotify("room.leave") { context in context.session.kick() }
        return app
    }

    private static func short(_ standard: [UInt8]) -> [UInt8] {
        let body = standard.dropFirst(PomeloPacket.headSize)
        return [UInt8(body.count >> 8), UInt8(body.count & 0xff), standard[0]] + body
    }
    private static let handshake = short(TestClient.handshake)
    private static let ack: [UInt8] = [0, 0, 2]
    private static let question = short(TestClient.message(.request(id: 7, .text("room.room.echo")), "hello"))

    /// Kinds and bodies of what has come.
    private func packets(_ client: TestClient) async throws -> [(kind: PomeloPacket.Kind, body: [UInt8])] {
        let bytes = await client.read(.max)
        var (found, at): ([(PomeloPacket.Kind, [UInt8])], Int) = ([], 0)
        while let packet = try ShortPackets().packet(in: unsafe bytes.span.bytes, at: at) {
            found.append((packet.kind, Array(bytes[packet.body])))
            at = packet.body.upperBound
        }
        #expect(at == bytes.count, "not whole packets")
        return found
    }

    @Test(arguments: [false, true])
    func `a codec of one's own is that of every packet, both ways`(_ keepsMessages: Bool) async throws {
        let world = try await AppWorld(Self.app(ShortPackets()))
        let client = await world.client(keepsMessages: keepsMessages)
        await client.send(Self.handshake)
        #expect(try await packets(client).map(\.kind) == [.handshake])
        await client.send(Self.ack)
        await client.send(Self.question)
        let answers = try await packets(client)
        #expect(answers.map(\.kind) == [.data, .data])
        #expect(
            try answers.map { try TestMessage($0.body).description } == [
                "push 0 onEcho \"pushed\"", "response 7  hello",
            ])
        world.world.advance(by: .seconds(3))
        #expect(try await packets(client).map(\.kind) == [.heartbeat])
        await client.send(Self.short(TestClient.message(.notify(.text("room.room.leave")), "")))
        #expect(try await packets(client).map(\.kind) == [.kick])
        #expect(await client.isOver)
    }

    @Test func `its packets may come in pieces, cut anywhere`() async throws {
        let all = Self.handshake + Self.ack + Self.question
        for cut in 1..<all.count {
            let client = await (try AppWorld(Self.app(ShortPackets()))).client()
            await client.send(Array(all[..<cut]))
            await client.send(Array(all[cut...]))
            #expect(try await packets(client).map(\.kind) == [.handshake, .data, .data], "cut at \(cut)")
        }
    }

    @Test func `a client of the same codec talks to it`() async throws {
        let world = try await AppWorld(Self.app(ShortPackets()))
        let (dialer, loop) = (world.streams, world.world.first)
        try await world.world.play {
            let client = try await AppClient(over: dialer, on: loop, .with { $0.codec = ShortPackets() })
            let answer: [UInt8] = try await client.request("room.room.echo", [UInt8]("hi".utf8))
            #expect(answer == [UInt8]("hi".utf8))
            client.disconnect()
        }
    }

    /// It says that packets are where they are not, and is at a loss for heads.
    private struct Liar: PacketCodec {
        let place: @Sendable (Int, Int) -> Range<Int>
        func packet(in bytes: RawSpan, at offset: Int) throws -> PomeloPacket? {
            PomeloPacket(.heartbeat, body: place(offset, bytes.byteCount))
        }
        func head(_ kind: PomeloPacket.Kind, body count: Int) throws -> [UInt8] { [] }
    }

    @Test(arguments: 0...3) func `a codec that lies costs the connection, not the process`(_ number: Int) async throws {
        let places: [@Sendable (Int, Int) -> Range<Int>] = [
            { start, _ in start..<start }, { start, end in start + 1..<end + 1 }, { _, _ in 0..<1 },
            { _, end in end + 5..<end + 9 },
        ]
        let world = try await AppWorld(Self.app(Liar(place: places[number])))
        let client = await world.client()
        await client.send([1, 2, 3, 4])
        #expect(await client.isOver)
        #expect(await world.meter("omniway_app_closed_total", ("reason", "bad-packet")) == 1)
    }

    @Test func `a body above the limit costs the connection`() async throws {
        let world = try await AppWorld(Self.app(ShortPackets(), most: 100))
        let client = await world.client()
        await client.send(Self.short([1, 0, 0, 0] + [UInt8](repeating: 0x20, count: 101)))
        #expect(await client.isOver)
    }

    @Test func `an app whose codec has no head for its packets does not start`() async throws {
        struct Headless: PacketCodec {
            func packet(in bytes: RawSpan, at offset: Int) throws -> PomeloPacket? { nil }
            func head(_ kind: PomeloPacket.Kind, body count: Int) throws -> [UInt8] {
                throw ShortPackets.Fault(description: "no heads today")
            }
        }
        await #expect(throws: PomeloError.ownCodec("no heads today")) { try await AppWorld(Self.app(Headless())) }
    }
}
