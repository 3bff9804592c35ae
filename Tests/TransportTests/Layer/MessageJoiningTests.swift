import OmniwayTesting
import OmniwayTransport
import Testing

@Suite struct MessageJoiningTests {
    private let world = SimulatedWorld()

    /// A stream over messages, with a recorder at each end.
    private func pair(_ queue: QueueLimits = QueueLimits()) async throws -> (
        near: LoopBound<Recorder>, far: LoopBound<RecordingIntake>
    ) {
        var traits = LinkTraits.stream
        traits.keepsMessages = true
        let messages = InProcess(traits: traits, queue: queue)
        let far = await world.first.own { _ in RecordingIntake() }
        _ = try await MessageJoining().over(messages).open(into: [far])
        let near = await world.first.own { _ in Recorder() }
        await near.run { loop, near in
            _ = MessageJoining().over(messages).dial(on: loop, deadline: .seconds(1), handler: near)
        }
        world.settle()
        return (near, far)
    }

    @Test func `the ends of messages are gone, and a handler may leave what it cannot use yet`() async throws {
        let (near, far) = try await pair()
        await far.run { _, far in far.recorders[0].takes = 3 }
        await near.run { _, near in
            near.link?.write("ab")
            near.link?.write("cd")
        }
        world.settle()
        #expect(await far.run { _, far in far.recorders[0].text } == "abc")
        await near.run { _, near in near.link?.write("ef") }
        world.settle()
        #expect(await far.run { _, far in far.recorders[0].text } == "abcdef")
        #expect(await far.run { _, far in far.recorders[0].messages } == [])
    }

    @Test func `everything arrives in order through a queue that is often full`() async throws {
        let (near, far) = try await pair(QueueLimits(low: 1 << 10, high: 4 << 10, most: 16 << 20))
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        await near.run { _, near in near.link?.write(bytes) }
        world.settle()
        #expect(await far.run { _, far in far.recorders[0].bytes } == bytes)
    }

    @Test func `what was written before the end still goes out`() async throws {
        let (near, far) = try await pair()
        await near.run { _, near in
            near.link?.write("last words")
            near.link?.close(.done)
        }
        world.settle()
        #expect(await far.run { _, far in far.recorders[0].text } == "last words")
        #expect(await far.run { _, far in far.recorders[0].events.last } == .finished)
    }
}
