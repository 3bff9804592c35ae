import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// The same over loopback.
@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    private func settings() -> MeshSettings {
        var settings = MeshSettings()
        settings.timeout = .seconds(2)
        return settings
    }

    @Test func `two short peers run a whole session both ways`() async throws {
        let loops = EventLoops(count: 2)
        let luda = await MeshPeer("luda", .short, on: loops.loops[0], settings())
        let yoghurt = await MeshPeer("yoghurt", .short, on: loops.loops[1], settings())
        try await luda.listenAndServe("127.0.0.1:0")
        let listening = try await yoghurt.listenAndServe("127.0.0.1:0")
        try await luda.add("yoghurt", at: "\(listening.address)")
        for (from, to) in [(luda, "yoghurt"), (yoghurt, "luda")] {
            var operations: [PheromoneOperation] = []
            var next: PheromoneMessage? = await from.greeting()
            while let message = next, let answer = try await from.dispatch(message, to: to) {
                operations += [message.operation, answer.operation]
                next = try await from.handle(answer)
            }
            #expect(
                operations == [
                    .connectRequest, .connectResponse, .getRequest, .getResponse, .fetchRequest, .fetchResponse,
                    .noticeRequest, .noticeResponse,
                ])
        }
        await loops.shutdown()
    }

    @Test func `two long peers run a whole session on one connection`() async throws {
        struct Watching: MessageHandler {
            let arrived: AsyncStream<PheromoneOperation>.Continuation
            func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
                arrived.yield(incoming.message.operation)
                return try StandardHandler().handle(incoming)
            }
        }
        let loops = EventLoops(count: 2)
        let (operations, arrived) = AsyncStream.makeStream(of: PheromoneOperation.self)
        let luda = await MeshPeer("luda", .long, on: loops.loops[0], settings(), handler: Watching(arrived: arrived))
        let yoghurt = await MeshPeer("yoghurt", .long, on: loops.loops[1], settings())
        let listening = try await yoghurt.listenAndServe("127.0.0.1:0")
        try await luda.add("yoghurt", at: "\(listening.address)")
        try await luda.dispatch(await luda.greeting(), to: "yoghurt")
        var seen: [PheromoneOperation] = []
        for await operation in operations {
            seen.append(operation)
            if operation == .noticeResponse { break }
        }
        #expect(seen == [.connectResponse, .getResponse, .fetchResponse, .noticeResponse])
        #expect(await yoghurt.peers().map(\.name) == ["luda"])
        await loops.shutdown()
    }

    @Test func `nobody at an address is 2004, and what is no address is refused`() async throws {
        let loops = EventLoops(count: 1)
        let luda = await MeshPeer("luda", .short, on: loops.loops[0], settings())
        let listening = try await luda.listenAndServe("127.0.0.1:0")
        await listening.stop()
        try await luda.add("gone", at: "\(listening.address)")
        do throws(MeshError) {
            try await luda.dispatch(await luda.greeting(), to: "gone")
            Issue.record("somebody answered")
        } catch { #expect(error.number == 2004) }
        await #expect(throws: ListenError.self) { try await luda.listenAndServe("here") }
        await loops.shutdown()
    }

    @Test func `a task that waits when the loop ends is told`() async throws {
        let loops = EventLoops(count: 2)
        let intake = await loops.loops[1].own { _ in RecordingIntake() }
        let listening = try await StreamAcceptor(.loopback()).open(into: [intake])
        let luda = await MeshPeer("luda", .short, on: loops.loops[0], settings())
        try await luda.add("silent", at: "\(listening.address)")
        let message = await luda.greeting()
        async let answer = luda.dispatch(message, to: "silent")
        while await intake.run({ _, intake in intake.recorders.first?.bytes.isEmpty ?? true }) { await Task.yield() }
        await loops.loops[0].shutdown()
        do {
            _ = try await answer
            Issue.record("it was answered")
        } catch { #expect(error is MeshError) }
        await loops.loops[1].shutdown()
    }
}
