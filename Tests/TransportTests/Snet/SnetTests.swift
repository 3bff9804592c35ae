import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
@testable import OmniwayWire
import Testing

@Suite struct SnetTests {
    @Test(arguments: [SnetDialect.a, .b], [false, true])
    func `what is written without a connection waits for the next one`(_ dialect: SnetDialect, _ encrypts: Bool)
        async throws
    {
        let pair = try await SnetPair(dialect, encrypts: encrypts)
        await pair.write("one ")
        pair.gate.set(false)
        await pair.cut()
        #expect(await !pair.isConnected)
        await pair.write("two ")
        try await pair.onServer { $0.link?.write("three") }
        pair.world.advance(by: .seconds(20))
        #expect(await pair.received == "one ")
        #expect(pair.server.streamCount == 1 && pair.server.waitingCount == 1)
        pair.gate.set(true)
        pair.world.advance(by: .seconds(4))
        #expect(await pair.isConnected)
        #expect(await pair.received == "one two ")
        #expect(pair.server.waitingCount == 0)
        await pair.client.run { _, client in
            #expect(client.text == "three")
            #expect(client.events == [.opened])
            #expect(client.link?.snet?.resumes == 1 && client.link?.snet?.id == 1)
        }
    }

    @Test func `without encryption the bytes of the stream are on the wire as they are`() async throws {
        for encrypts in [false, true] {
            let pair = try await SnetPair(encrypts: encrypts)
            try await pair.onServer { $0.link?.write("clear") }
            pair.world.settle()
            await pair.client.run { _, client in #expect(client.text == "clear") }
            let stream = try await pair.state()
            #expect(stream.encrypts == encrypts && stream.written == 5)
        }
    }

    @Test(arguments: [SnetDialect.a, .b]) func `a stream that nobody resumes ends with its wait limit on both sides`(
        _ dialect: SnetDialect
    ) async throws {
        let pair = try await SnetPair(dialect)
        pair.gate.set(false)
        await pair.cut()
        pair.world.advance(by: .milliseconds(59_900))
        await pair.client.run { _, client in #expect(client.closeReason == nil) }
        #expect(pair.server.streamCount == 1)
        pair.world.advance(by: .milliseconds(200))
        await pair.client.run { _, client in
            #expect(client.closeReason == .notResumed)
            #expect(client.closeReason?.detail?.contains("60.0 seconds") == true)
        }
        #expect(try await pair.onServer { $0.closeReason } == .notResumed)
        #expect(pair.server.streamCount == 0 && pair.server.waitingCount == 0)
        let meters = await pair.world.loops[1].snapshot().prometheusText
        #expect(meters.contains("omniway_snet_expired_total 1"))
        #expect(meters.contains("omniway_snet_streams{side=\"accepting\"} 0"))
    }

    @Test func `in dialect B the end of the peer's stream is a refusal, and ends this one at once`() async throws {
        let pair = try await SnetPair(.b)
        try await pair.onServer { recorder in
            recorder.link?.write("last words")
            recorder.link?.close(.done)
        }
        pair.world.advance(by: .seconds(1))
        await pair.client.run { _, client in
            #expect(client.text == "last words")
            #expect(client.closeReason == .resumeRefused)
            #expect(client.closeReason?.detail?.contains("ended there") == true)
        }
    }

    @Test func `in dialect A the end of the peer's stream is known only after the wait limit`() async throws {
        let pair = try await SnetPair(.a)
        try await pair.onServer { $0.link?.close(.done) }
        pair.world.advance(by: .seconds(59))
        await pair.client.run { _, client in #expect(client.closeReason == nil) }
        pair.world.advance(by: .seconds(2))
        await pair.client.run { _, client in #expect(client.closeReason == .notResumed) }
    }

    @Test func `a gap larger than the ring ends the stream with words`() async throws {
        let pair = try await SnetPair(.b, ring: 0)
        await pair.cut()  // Nothing is lost of nothing.
        pair.world.advance(by: .seconds(1))
        await pair.write("heard")
        #expect(await pair.received == "heard")
        try await pair.client.run { _, client in
            let driver = try #require(client.link?.driver as? SnetDriver)
            // As if a connection had taken them and lost them.
            _ = driver.stream?.write(unsafe [UInt8](repeating: 1, count: 100).span.bytes)
            driver.stream?.wasSent(100)
        }
        await pair.cut()
        pair.world.advance(by: .seconds(1))
        await pair.client.run { _, client in
            #expect(client.closeReason == .resumeRefused)
            #expect(client.closeReason?.detail?.hasPrefix("100 bytes were lost, and the ring keeps 0") == true)
        }
        let meters = await pair.world.first.snapshot().prometheusText
        #expect(meters.contains("omniway_snet_resumes_total{outcome=\"refused\",side=\"dialing\"} 1"))
    }

    /// In dialect A a server that cannot send what was lost answers first, and then hangs up.
    @Test func `a server that answers and hangs up is not asked again at once`() async throws {
        let pair = try await SnetPair(.a, ring: 0)
        try await pair.onServer { recorder in
            let driver = try #require(recorder.link?.driver as? SnetDriver)
            _ = driver.stream?.write(unsafe [UInt8](repeating: 1, count: 100).span.bytes)
            driver.stream?.wasSent(100)
        }
        await pair.cut()
        pair.world.advance(by: .seconds(30))
        let resumes = await pair.client.run { _, client in client.link?.snet?.resumes ?? 0 }
        #expect((10...30).contains(resumes), "\(resumes) attempts in 30 seconds")
    }

    @Test func `idleness is that of the stream, whatever becomes of its connections`() async throws {
        let pair = try await SnetPair()
        await pair.client.run { _, client in client.link?.idleLimit = .seconds(10) }
        for _ in 0..<5 {
            await pair.cut()  // New connections are no sign of life.
            pair.world.advance(by: .milliseconds(1_900))
        }
        await pair.client.run { _, client in #expect(client.closeReason == nil) }
        pair.world.advance(by: .seconds(1))
        await pair.client.run { _, client in #expect(client.closeReason == .idle) }
    }

    @Test func `what waits without a connection has the limit of the link's queue`() async throws {
        let pair = try await SnetPair()
        pair.gate.set(false)
        await pair.cut()
        await pair.client.run { _, client in
            client.link?.limits = QueueLimits(low: 10, high: 100, most: 1_000)
            client.link?.write([UInt8](repeating: 1, count: 200))
            #expect(client.link?.isFull == true && client.link?.queued == 200)
            client.link?.write([UInt8](repeating: 1, count: 900))
        }
        pair.world.settle()
        await pair.client.run { _, client in #expect(client.closeReason == .slowReader) }
    }

    @Test func `an idle stream holds no ring, and a ring grows with what is written`() async throws {
        let pair = try await SnetPair(encrypts: false, ring: 1 << 20)
        #expect(try await pair.state().heldBytes == 0)
        try await pair.onServer { $0.link?.write([UInt8](repeating: 1, count: 100)) }
        pair.world.settle()
        #expect(try await pair.state().heldBytes < 8 << 10)
    }

    @Test func `streams have a limit, and so have those that wait`() async throws {
        let pair = try await SnetPair(most: 2, mostWaiting: 1)
        let second = await pair.world.first.own { _ in Recorder() }
        await pair.dial(second, .b, encrypts: true, ring: 1 << 16)
        let third = await pair.world.first.own { _ in Recorder() }
        await pair.dial(third, .b, encrypts: true, ring: 1 << 16)
        #expect(pair.server.streamCount == 2)
        pair.world.advance(by: .seconds(1))
        await third.run { _, third in #expect(third.link == nil || third.closeReason != nil) }
        pair.gate.set(false)
        await pair.cut()
        await second.run { _, second in second.link?.snet?.reconnect() }
        pair.world.settle()
        #expect(pair.server.streamCount == 1 && pair.server.waitingCount == 1)
        let reasons = await pair.intakes[0].run { _, intake in intake.recorders.compactMap { $0.closeReason?.name } }
        #expect(reasons == ["not-resumed"])
    }

    @Test func `a handshake that trickles has a deadline, also that of a resume`() async throws {
        let pair = try await SnetPair(handshakes: HandshakeLimits(deadline: .seconds(3)))
        let request = SnetResume(try await pair.state())
        for bytes in [[0xff], [0xff] + request.bytes, [0]] {
            let slow = await pair.intrude(bytes)
            pair.world.advance(by: .seconds(2))
            await slow.run { _, slow in #expect(slow.closeReason == nil) }
            pair.world.advance(by: .seconds(2))
            await slow.run { _, slow in #expect(slow.closeReason != nil) }
        }
        await pair.write("alive")
        #expect(await pair.received == "alive")
        let meters = await pair.world.loops[1].snapshot().prometheusText
        #expect(meters.contains("omniway_handshakes_total{layer=\"snet\",outcome=\"timeout\",side=\"accepting\"} 3"))
    }
}
