import OmniwayTesting
import OmniwayTransport

/// A server with TLS and clients of it, in one simulated world.
struct TLSWorld {
    let world = SimulatedWorld()
    let stream: InProcess
    let intake: LoopBound<RecordingIntake>

    init(_ server: TLSServer, stream: InProcess = InProcess()) async throws {
        self.stream = stream
        intake = await world.first.own { _ in RecordingIntake() }
        let acceptor: some Acceptor = server.over(stream)
        _ = try await acceptor.open(into: [intake])
    }

    /// Dials with TLS, over a network that may have faults.
    func dial(_ client: TLSClient, through network: SeededNetwork? = nil) async -> LoopBound<Recorder> {
        if let network { return await dial(client.over(network.over(stream))) }
        let dialer: some Dialer = client.over(stream)
        return await dial(dialer)
    }

    func dial(_ dialer: some Dialer) async -> LoopBound<Recorder> {
        let recorder = await world.first.own { _ in Recorder() }
        await recorder.run { loop, recorder in
            _ = dialer.dial(on: loop, deadline: .seconds(20), handler: recorder)
        }
        world.settle()
        return recorder
    }

    /// What the first accepted link, or any later one, has received.
    func received(by number: Int = 0) async -> String {
        await intake.run { _, intake in intake.recorders.count > number ? intake.recorders[number].text : "" }
    }
}

extension LoopBound<Recorder> {
    var reason: CloseReason? { get async { await run { _, recorder in recorder.closeReason } } }
    var events: [Recorder.Event] { get async { await run { _, recorder in recorder.events } } }
    var tls: TLSInfo? { get async { await run { _, recorder in recorder.link?.tls } } }
    func write(_ text: String) async { await run { _, recorder in recorder.link?.write(text) } }
}
