import ClusterSupport
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayApp

/// Servers as processes of their own, with a real etcd and a real NATS.
@Suite(.timeLimit(.minutes(3))) struct RealClusterTests {
    struct Place {
        let etcd: EtcdServer
        let nats: NATSProgram
        let loop = EventLoop()

        init() async throws {
            etcd = try await EtcdServer()
            nats = try await NATSProgram()
        }

        func server(_ type: String, _ id: String, _ more: String = "") async throws -> RunningServer {
            let isFrontend = type == "connector"
            return try await RunningServer.start(
                "--cluster --type \(type) --id \(id) --etcd \(etcd.endpoints[0]) --nats \(nats.address) --loops 2 "
                    + "--frontend \(isFrontend) \(isFrontend ? "--tcp 127.0.0.1:0" : "") \(more)",
                until: isFrontend ? "app listens" : "cluster joined")
        }

        func client(_ server: RunningServer) async throws -> SocketClient {
            let client = try await SocketClient(over: StreamDialer(server.addresses[0]), on: loop)
            _ = try await client.handshake(RecordedClusterTests.handshake)
            return client
        }

        func end(_ servers: RunningServer...) async {
            for server in servers { await server.program.stop() }
            await nats.stop()
            await etcd.stop()
            await loop.shutdown()
        }
    }

    @Test func `the recorded conversation goes through two processes, and their keys are the original's`() async throws
    {
        let place = try await Place()
        let room = try await place.server("room", "room-1")
        let connector = try await place.server("connector", "conn-1")
        let key = try await place.etcd.control("get", "pitaya/servers/room/room-1")
        #expect(key.first == "pitaya/servers/room/room-1")
        #expect(
            key.last?.hasPrefix(#"{"id":"room-1","type":"room","metadata":{},"frontend":false,"hostname":""#) == true)

        let client = try await place.client(connector)
        let conversation = try Vectors.decode(
            RecordedClusterTests.Conversation.self, from: "pitaya-conversation-cluster")
        for (index, step) in conversation.steps.enumerated() where step.expect.first?.kind != "nothing" {
            let head: PomeloMessageHead =
                step.send == "request"
                ? .request(id: UInt64(index + 1), .text(step.route)) : .notify(.text(step.route))
            await client.send(TestClient.message(head, step.body))
            var got: [String] = []
            for _ in step.expect { got.append(try #require(await client.message(), "\(step.route)").text) }
            let expected = step.expect.map { ($0.body ?? "").prefix(90) }
            #expect(got.map { $0.prefix(90) }.sorted() == expected.sorted(), "\(step.route) \(step.body)")
        }
        let status = try await RunningServer.refusal(
            "cluster status --etcd \(place.etcd.endpoints[0]) --nats \(place.nats.address)", product: "omniway")
        let rows = status.map { $0.split(separator: " ").map(String.init) }
        #expect(rows.count == 4 && rows[0].first == "type" && rows[3] == ["code", "0"], "\(status)")
        #expect(rows[1].prefix(2) == ["connector", "conn-1"] && rows[1].suffix(3) == [Version.current, "1", "1"])
        #expect(rows[2].prefix(2) == ["room", "room-1"] && rows[2].suffix(3) == [Version.current, "0", "0"])
        await client.send(TestClient.message(.request(id: 99, .text("room.room.kickuser")), #"{"content":"cu1"}"#))
        #expect(await client.ends())
        await room.program.stop()
        #expect(try await place.etcd.control("get", "--prefix", "pitaya/servers/room") == [])
        await place.end(connector)
    }
}
