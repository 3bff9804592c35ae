import OmniwayTesting
@testable import OmniwayTransport
@testable import OmniwayWire
import Testing

/// Connections that ask for somebody else's stream.
@Suite struct SnetAttackTests {
    /// The stream still has the connection that it had, and works.
    private func isUnharmed(_ pair: SnetPair) async throws {
        await pair.client.run { _, client in
            #expect(client.link?.snet?.resumes == 0 && client.link?.snet?.isConnected == true)
        }
        let before = await pair.received
        await pair.write("!")
        #expect(await pair.received == before + "!")
        #expect(pair.server.streamCount == 1)
    }

    @Test(arguments: [SnetDialect.a, .b], [1, 2]) func `who guesses an id changes nothing`(
        _ dialect: SnetDialect, _ loops: Int
    ) async throws {
        let pair = try await SnetPair(dialect, serverLoops: loops)
        await pair.write("mine")
        for id in UInt64(1)...4 {
            let guess = SnetResume(SnetStream(id: id, key: 99, written: 4, read: 0, ring: 100))
            let intruder = await pair.intrude((dialect == .b ? [0xff] : []) + guess.bytes)
            await intruder.run { _, intruder in
                #expect(intruder.bytes == SnetServerHandshake.refusal(dialect))
                #expect(intruder.events.contains(.finished))
            }
        }
        try await isUnharmed(pair)
    }

    @Test(arguments: [1, 2]) func `who has overheard a request of B cannot answer the challenge`(_ loops: Int)
        async throws
    {
        let pair = try await SnetPair(.b, serverLoops: loops)
        await pair.write("mine")
        let stream = SnetStream(id: 1, key: try await pair.state().key, written: 4, read: 0, ring: 100)
        for _ in 0..<4 {
            let intruder = await pair.intrude([0xff] + SnetResume(stream).bytes)
            await intruder.run { _, intruder in
                #expect(intruder.bytes.count == 24 && intruder.closeReason == nil)
                intruder.link?.write([UInt8](repeating: 7, count: 16))
            }
            pair.world.settle()
            await intruder.run { _, intruder in #expect(intruder.bytes.count == 24 && intruder.events.count > 1) }
        }
        try await isUnharmed(pair)
    }

    @Test func `counts that cannot be are refused, and the stream goes on`() async throws {
        for dialect in [SnetDialect.a, .b] {
            let pair = try await SnetPair(dialect)
            await pair.write("mine")
            let key = try await pair.state().key
            for (written, read) in [(UInt64(3), UInt64(0)), (4, 1), (.max, .max), (0, .max)] {
                let wrong = SnetStream(id: 1, key: key, written: written, read: read, ring: 100)
                let intruder = await pair.intrude((dialect == .b ? [0xff] : []) + SnetResume(wrong).bytes)
                await intruder.run { _, intruder in
                    #expect(intruder.bytes.count == (dialect == .a ? 16 : 24))
                    #expect(dialect == .a || intruder.bytes.allSatisfy { $0 == 0 })
                    #expect(intruder.events.contains(.finished))
                }
            }
            try await isUnharmed(pair)
        }
    }

    /// A client whose old connection is dead without its server knowing.
    @Test(arguments: [SnetDialect.a, .b], [1, 2]) func `an authentic connection replaces one that still lives`(
        _ dialect: SnetDialect, _ loops: Int
    ) async throws {
        let pair = try await SnetPair(dialect, encrypts: false, serverLoops: loops)
        await pair.write("mine")
        try await pair.onServer { $0.link?.write("lost on the way") }
        pair.world.settle()
        pair.gate.set(false)
        // The client says that it has not read anything.
        let stream = SnetStream(id: 1, key: try await pair.state().key, written: 4, read: 0, ring: 100)
        var machine = SnetClientHandshake(dialect, resuming: stream)
        let other = await pair.intrude(machine.hello)
        let answer = await other.run { _, other in other.bytes }
        let size = dialect == .a ? 16 : 24
        guard case .resumed(peerWritten: 15, peerRead: 4, let reply) = try step(Array(answer.prefix(size)), &machine)
        else {
            Issue.record("not resumed: \(answer)")
            return
        }
        await other.run { _, other in other.link?.write(reply + Array(", and more".utf8)) }
        pair.world.settle()
        await other.run { _, other in #expect(other.bytes.dropFirst(size) == Array("lost on the way".utf8)[...]) }
        #expect(await pair.received == "mine, and more")
        #expect(await !pair.isConnected)
    }

    private func step(_ bytes: [UInt8], _ machine: inout SnetClientHandshake) throws -> SnetClientHandshake.Step {
        var reader = ByteReader(unsafe bytes.span.bytes)
        return try machine.receive(&reader)
    }
}
