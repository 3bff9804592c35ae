import Omniway
import OmniwayTesting
import OmniwayWire
import Testing

@testable import OmniwayApp

/// Servers that are none. They lose their connection, and nothing else happens.
@Suite(.timeLimit(.minutes(5))) struct AppClientHostileTests {
    /// A conversation of everything that a server may say, the last being what ends it.
    private static let talk: [UInt8] =
        ScriptedServer.welcome(#"{"code":200,"sys":{"heartbeat":10,"dict":{"onPush":1},"serializer":"json"}}"#)
        + [3, 0, 0, 0] + TestClient.message(.push(.code(1)), "{}") + TestClient.message(.push(.text("onPush")), "{}")
        + TestClient.message(.response(id: 1), "{}") + TestClient.message(.response(id: 99, isError: true), "{}")
        + [5, 0, 0, 0]

    private static func hear(
        _ bytes: [[UInt8]], keepsMessages: Bool, then body: (ScriptedServer) async -> Void = { _ in }
    )
        async throws -> SceneOutcome
    {
        let server = try await ScriptedServer(keepsMessages: keepsMessages)
        let scene = await server.begin(.with { $0.reconnect = nil }, welcome: []) { client in
            client.on("onPush") { (_: JSON) in }
            let _: JSON? = try? await client.request("a.b")
            for await _ in client.states {}
        }
        for bytes in bytes where await server.isOpen() { await server.say(bytes) }
        await body(server)
        server.world.advance(by: .seconds(60))
        return scene
    }

    @Test func `what a server says may be cut anywhere`() async throws {
        for cut in Self.talk.indices {
            let scene = try await Self.hear(
                [Array(Self.talk[..<cut]), Array(Self.talk[cut...])], keepsMessages: false)
            #expect(scene.isOver && scene.error == nil, "cut at \(cut)")
        }
    }

    @Test(arguments: [false, true]) func `a server may leave anywhere`(_ keepsMessages: Bool) async throws {
        for cut in Self.talk.indices {
            let scene = try await Self.hear([Array(Self.talk[..<cut])], keepsMessages: keepsMessages) { server in
                await server.hangUp()
            }
            #expect(scene.isOver, "cut at \(cut)")
        }
    }

    @Test(arguments: [false, true]) func `any byte may be any other`(_ keepsMessages: Bool) async throws {
        var random = SeededRandom(seed: 7)
        for index in Self.talk.indices {
            var bytes = Self.talk
            bytes[index] = UInt8.random(in: 0...255, using: &random)
            let scene = try await Self.hear([bytes], keepsMessages: keepsMessages) { server in
                await server.hangUp()
            }
            #expect(scene.isOver, "byte \(index) is \(bytes[index])")
        }
    }

    @Test func `random bytes, in random packets, end in an error`() async throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var packets: [[UInt8]] = seed.isMultiple(of: 2) ? [ScriptedServer.welcome()] : []
            for _ in 0..<5 {
                let body = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                let kind = PomeloPacket.Kind.allCases.randomElement(using: &random) ?? .data
                packets.append(try PomeloPacket.bytes(kind, body))
            }
            let scene = try await Self.hear(packets, keepsMessages: seed.isMultiple(of: 3)) { server in
                await server.hangUp()
            }
            #expect(scene.isOver, "seed \(seed)")
        }
    }

    @Test(arguments: [
        ("a heartbeat of nonsense", #"{"code":200,"sys":{"heartbeat":1e300}}"#),
        ("a dictionary with a route twice", #"{"code":200,"sys":{"dict":{"a":1,"a ":2}}}"#),
        ("no JSON", "{"), ("a code that is a text", #"{"code":"200"}"#), ("no code", "{}"),
    ]) func `an answer that is none keeps the client out`(_ name: String, _ answer: String) async throws {
        let server = try await ScriptedServer()
        let scene = await server.begin(welcome: ScriptedServer.welcome(answer))
        let error = scene.error as? AppClientError
        #expect(error == .lost(.badPacket) || error == .refused(code: 0), "\(name): \(scene.error as Any)")
        #expect(await !server.isOpen())
    }

    @Test func `a packet above the limit costs the connection, also in pieces of a message`() async throws {
        for keepsMessages in [false, true] {
            let server = try await ScriptedServer(keepsMessages: keepsMessages)
            _ = await server.begin(.with { $0.maxPacketSize = 100 }, welcome: ScriptedServer.welcome(#"{"code":200}"#))
            {
                client in for await _ in client.states {}
            }
            await server.say(.push(.text("x")), String(repeating: "a", count: 97))
            #expect(await server.isOpen())
            await server.say(.push(.text("x")), String(repeating: "a", count: 98))
            #expect(await !server.isOpen())
        }
    }
}
