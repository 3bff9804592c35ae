import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

/// The script of `Examples/cluster`, as a reader would start it.
@Suite(.timeLimit(.minutes(3))) struct ClusterExampleTests {
    @Test func `two clients talk in rooms of two servers, and all of it ends with the script`() async throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        let script = try await TestProgram(
            [
                "env", "PROGRAM=\(BuiltProduct.path("ClusterExample"))", "\(root)/Examples/cluster/run",
                "127.0.0.1:0",
            ], within: .seconds(60)
        ) { $0.hasPrefix("clients connect to ") }
        let line = try #require(await script.lines.last { $0.hasPrefix("clients connect to ") })
        let address = try #require(SocketAddress(String(line.dropFirst(19).prefix { $0 != ";" })))
        let loop = EventLoop()
        let (ann, bob) = (
            try await SocketClient(over: StreamDialer(address), on: loop),
            try await SocketClient(over: StreamDialer(address), on: loop)
        )
        for (client, name) in [(ann, "ann"), (bob, "bob")] {
            _ = try await client.handshake()
            #expect(await client.ask("connector.login.enter", #"{"name":"\#(name)"}"#)?.text == #"{"name":"\#(name)"}"#)
        }
        var servers: Set<String> = []
        for room in ["a", "b"] {
            await ann.send(
                TestClient.message(.request(id: 7, .text("room.chat.say")), #"{"room":"\#(room)","text":"1"}"#))
            // Push and answer come by different ways.
            let heard = [await ann.message()?.text ?? "", await ann.message()?.text ?? ""].sorted()
            #expect(heard[0] == #"{"from":"ann","text":"1"}"#)
            servers.insert(heard[1])
        }
        #expect(servers == [#"{"listeners":1,"server":"room-1"}"#, #"{"listeners":1,"server":"room-2"}"#])
        await bob.send(TestClient.message(.notify(.text("room.chat.say")), #"{"room":"a","text":"2"}"#))
        #expect(await ann.message()?.text == #"{"from":"bob","text":"2"}"#)
        let rooms = try #require(await ann.ask("connector.login.rooms")?.text)
        #expect(rooms.contains(#":"a""#) && rooms.contains(#":"b""#), "\(rooms)")
        #expect(await script.stop() == 0)
        await loop.shutdown()
    }
}
