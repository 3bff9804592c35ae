import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// A node of a cluster that gets a new certificate.
@Suite struct RenewalTests {
    @Test func `the others dial a node by its new certificate, and nothing that is open breaks`() async throws {
        let marks = ["01", "02"].map { TLSFingerprint(String(repeating: $0, count: 32)) }
        let (old, new) = (try #require(marks[0]), try #require(marks[1]))
        let dialled = Heard<TLSFingerprint?>()
        let scene = try await ForwardScene("tcp://127.0.0.1:2222", to: "tcp://10.0.0.5:22", nodes: 2, targetAt: 1) {
            $0.certificate = old
            let dial = $0.dialNode
            $0.dialNode = {
                dialled.add($0.certificate)
                return dial($0)
            }
        }
        _ = try await scene.world.target("10.0.0.5:22")
        let before = await scene.world.visitor(to: "127.0.0.1:2222", "a")
        #expect(await before.text == "a")
        #expect(dialled.all.allSatisfy { $0 == old } && !dialled.all.isEmpty)
        for node in scene.world.nodes { await node.run { _, node in node.renewed(new) } }
        scene.advance(.seconds(1))
        await before.write("b")
        scene.advance(.seconds(1))
        #expect(await before.text == "ab")
        let known = dialled.all.count
        // So much that another connection is opened beside it.
        await before.write([UInt8](repeating: 1, count: 4 << 20))
        scene.advance(.seconds(2))
        #expect(await before.bytes.count == 2 + (4 << 20))
        let record = try #require(try await scene.world.value("/zhangyu/node/online/\(TunnelWorld.ids[0])"))
        #expect(record.contains(new.description))
        let later = dialled.all.dropFirst(known)
        #expect(!later.isEmpty && later.allSatisfy { $0 == new })
    }
}
