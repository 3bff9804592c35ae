import OmniwayTesting
import OmniwayTransport
import Testing

/// Joins every link that it accepts with one that it dials, by the kernel.
private final class SplicingIntake: LinkIntake, RelayOwner {
    private let dialer: any Dialer
    private let reports: Reports
    private(set) var relays: [Relay] = []
    init(to dialer: any Dialer, _ reports: Reports) { (self.dialer, self.reports) = (dialer, reports) }

    func accept(_ link: Link) -> (any LinkHandler)? {
        guard let onward = dialer.dial(on: link.loop, deadline: .seconds(5), handler: Recorder()),
            let relay = try? Relay(link, onward, owner: self)
        else { return nil }
        relay.splice()
        relays.append(relay)
        return link.handler
    }

    func relayEnded(_ relay: Relay, _ reason: CloseReason) { reports.note("relay", .closed, [], reason) }
}

@Suite struct SpliceTests {
    private static let message = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 >> 3 &+ $0 >> 13) }

    private func world(
        _ loops: EventLoops, _ reports: Reports, _ server: @Sendable @escaping () -> Reporter
    ) async throws -> (relay: LoopBound<SplicingIntake>, address: SocketAddress) {
        let servers = await loops.loops[1].own { _ in server() }
        let far = try await StreamAcceptor(.loopback()).open(into: [servers])
        let relay = await loops.loops[0].own { _ in SplicingIntake(to: StreamDialer(far.address), reports) }
        let near = try await StreamAcceptor(.loopback()).open(into: [relay])
        return (relay, near.address)
    }

    @Test func `megabytes go through the kernel both ways, and a direction ends alone`() async throws {
        let (reports, ends) = (Reports(), Reports())
        try await withLoops(2) { loops in
            let (relay, address) = try await world(loops, ends) { echo(reports) }
            await StreamDialer(address).dial(on: loops.loops[1]) {
                Reporter(
                    "client", reports,
                    onOpen: { link in
                        link.write(Self.message)
                        link.finish()
                    })
            }
            #expect(await reports.bytes("client", count: Self.message.count) == Self.message)
            #expect(try await ends.next("relay", .closed).reason == "finished")
            await relay.run { _, relay in
                #expect(relay.relays[0].bytesFromA == Self.message.count)
                #expect(relay.relays[0].bytesFromB == Self.message.count)
                #expect(relay.relays[0].splicedBytes > Self.message.count)
            }
        }
    }

    @Test func `a target that does not read stops the source, and gets everything when it reads`() async throws {
        let reports = Reports()
        try await withLoops(2) { loops in
            let (relay, address) = try await world(loops, reports) {
                Reporter(
                    "server", reports,
                    onOpen: { link in
                        link.pauseReading()
                        link.loop.after(.milliseconds(300), Resuming(link))
                    })
            }
            await StreamDialer(address).dial(on: loops.loops[1]) {
                Reporter(
                    "client", reports,
                    onOpen: { link in
                        link.limits.most = 64 << 20
                        link.write(Self.message)
                        link.close(.done)
                    })
            }
            #expect(await reports.bytes("server", count: Self.message.count) == Self.message)
            await relay.run { _, relay in #expect(relay.relays[0].splicedBytes > 0) }
        }
    }

    @Test func `a broken end is broken at the other side`() async throws {
        let reports = Reports()
        try await withLoops(2) { loops in
            let (_, address) = try await world(loops, reports) { Reporter("server", reports) }
            await StreamDialer(address).dial(on: loops.loops[1]) {
                Reporter("client", reports, onOpen: { link in link.write(Array("hello".utf8)) })
            }
            #expect(await reports.bytes("server", count: 5) == Array("hello".utf8))
            await loops.loops[1].run { loop in
                var ends: [Link] = []
                loop.forEachLink { ends.append($0) }
                for end in ends { end.close(.reset) }
            }
            #expect(try await reports.next("relay", .closed).reason?.hasPrefix("reset") == true)
        }
    }
}

private final class Resuming: TimerTarget {
    private let link: Link
    init(_ link: Link) { self.link = link }
    func timerFired(_ token: UInt64, on loop: Loop) { link.resumeReading() }
}
