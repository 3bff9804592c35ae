import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayAdmin

/// Says everything back, as a pomelo server would be read.
private final class Echo: LinkIntake, LinkHandler {
    var frameFormat: FrameFormat? { .pomelo }
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes)
        return bytes.byteCount
    }
}

/// The frame inspector, as the page asks it.
@Suite(.timeLimit(.minutes(1))) struct FrameViewsTests {
    private func act(_ views: FrameViews, _ name: String, _ fields: [String: String]) async throws -> String {
        try await #require(views.actions.first { $0.name == name }).run(fields)
    }

    private func withEcho(_ body: (FrameViews, EventLoops, LoopBound<Recorder>) async throws -> Void) async throws {
        let loops = EventLoops(count: 2)
        let echo = await loops.loops[1].own { _ in Echo() }
        let listening = try await StreamAcceptor(.loopback()).open(into: [echo])
        let address = listening.address
        let (said, tell) = AsyncStream.makeStream(of: Void.self)
        let client = await loops.loops[0].own { loop in
            let recorder = Recorder()
            recorder.then = { _, _ in tell.yield() }
            _ = StreamDialer(address).dial(on: loop, deadline: .seconds(10), handler: recorder)
            return recorder
        }
        for await _ in said { break }
        try await body(FrameViews(of: loops, patience: .seconds(5)), loops, client)
        await client.release()
        await listening.stop()
        await loops.shutdown()
    }

    @Test func `a connection is picked, and its frames are read as its handler reads them`() async throws {
        try await withEcho { views, loops, client async throws in
            var row: AdminTable.Row?
            while row == nil {
                let table = await views.view.read().tables[0]
                #expect(table.name == "connections" && table.actions == ["frames.watch", "frames.forget"])
                row = table.rows.first { $0.cells[1] == "pomelo" }
            }
            let key = try #require(row).key
            let said = try await act(views, "frames.watch", ["connection": key, "as": "as it says"])
            #expect(said == "its frames are kept for 5 minutes")
            await client.run { _, client in client.link?.write([3, 0, 0, 0]) }
            var report = await views.view.read()
            while report.tables[0].rows.count < 2 { report = await views.view.read() }
            #expect(report.figures.last?.value == "1")
            #expect(report.tables[0].name.hasPrefix("pomelo \(key) 127.0.0.1:"))
            #expect(report.tables[0].rows.map { [$0.cells[0], $0.cells[2], $0.cells[3], $0.cells[4]] } == [
                ["2", "out", "4", "heartbeat nothing"], ["1", "in", "4", "heartbeat nothing"],
            ])
            _ = try await act(views, "frames.forget", ["connection": key])
            #expect(await views.view.read().tables.map(\.name) == ["connections"])
            await #expect(throws: AdminRefusal.self) { _ = try await act(views, "frames.forget", ["connection": key]) }
        }
    }

    @Test func `connections of an address are found, and those that nobody has are refused`() async throws {
        try await withEcho { views, loops, client async throws in
            var peer = ""
            while peer.isEmpty {
                peer = await loops.loops[1].run { loop in
                    var peer = ""
                    loop.forEachLink { if $0.handler.frameFormat == .pomelo { peer = "\($0.traits.peer)" } }
                    return peer
                }
            }
            let said = try await act(views, "frames.find", ["address": peer, "as": "bytes"])
            #expect(said == "the frames of 1 connections are kept for 5 minutes")
            await #expect(throws: AdminRefusal.self) {
                _ = try await act(views, "frames.find", ["address": "192.0.2.1:9", "as": "bytes"])
            }
            for key in ["", "0", "9/1", "0/0", "0/8589934592", "x/y", "0/99999999999999999999"] {
                await #expect(throws: (any Error).self) {
                    _ = try await act(views, "frames.watch", ["connection": key, "as": "bytes"])
                }
            }
        }
    }
}
