import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

// What docs/cluster.md shows.

/// Answers at a subject of its own, and asks others at theirs.
func greeter(_ bus: any Bus, on loop: Loop) throws(BusError) {
    let port = bus.port(on: loop)  // One for each loop; it connects when it is first asked for.
    _ = try port.subscribe("pitaya/servers/room/room-1") { message in
        try? message.respond(Array("hello, \(message.text)".utf8))
    }
    port.request("pitaya/servers/room/room-1", Array("you".utf8), deadline: .seconds(5)) { answer in
        switch answer {
        case .success(let message): print(message.text)
        case .failure(let error): print(error.code)
        }
    }
}

func connected(_ loops: [EventLoop]) async throws -> any Bus {
    if loops.isEmpty { return InProcessBus() }
    let bus = try NATSBus(NATSSettings("nats://10.0.0.1:4222", "nats://10.0.0.2:4222"))
    try await bus.ready(within: .seconds(10), on: loops)
    return bus
}

private let printed = Heard()
private func print(_ text: String) { printed.add(text) }

@Suite(.timeLimit(.minutes(1))) struct BusGuideTests {
    @Test func `the example of the guide answers itself`() async throws {
        let (bus, loop) = (InProcessBus(), EventLoop())
        try await loop.run { loop throws(BusError) in try greeter(bus, on: loop) }
        #expect(await printed.wait(for: 1) == ["hello, you"])
        await loop.shutdown()
    }

    @Test func `tasks of a loop may wait for answers`() async throws {
        let (bus, heard, loop) = (InProcessBus(), Heard(), EventLoop())
        try await loop.run { loop throws(BusError) in
            let port = bus.port(on: loop)
            _ = try port.subscribe("echo") { try? $0.respond($0.payload) }
            loop.start(Asking(port, heard))
        }
        #expect(await heard.wait(for: 3) == ["hi", "no-responders", "flushed"])
        await loop.shutdown()
    }

    @Test func `thirty at once and seventy-five that wait, as pitaya has it`() async throws {
        let (bus, heard, home) = (InProcessBus(), Heard(), EventLoop())
        let workers = await home.own { _ in Kept() }
        try await workers.run { loop, workers throws(BusError) in
            var underWay = 0
            let port = bus.port(on: loop)
            let subscription = try port.subscribe("work") { message in
                heard.add(message.text)
                underWay += 1
                if underWay == 30 { workers.all[0].pause() }
            }
            subscription.pendingLimits = (75, 64 << 20)
            workers.all = [subscription]
            for number in 0..<200 { try port.publish("work", Array("\(number)".utf8)) }
        }
        _ = await heard.wait(for: 30)
        let bound = await workers.run { loop, workers in (workers.all[0].pending, workers.all[0].dropped) }
        #expect(bound == (75, 95) && heard.texts.count == 30)
        await home.shutdown()
    }
}

private final class Asking: LoopTask {
    private let port: BusPort
    private let heard: Heard
    init(_ port: BusPort, _ heard: Heard) { (self.port, self.heard) = (port, heard) }

    nonisolated(nonsending) func run() async {
        for subject in ["echo", "nobody"] {
            do throws(BusError) {
                heard.add(try await port.request(subject, Array("hi".utf8), deadline: .seconds(5)).text)
            } catch { heard.add(error.code) }
        }
        do throws(BusError) {
            try await port.flush()
            heard.add("flushed")
        } catch { heard.add(error.code) }
    }
}
