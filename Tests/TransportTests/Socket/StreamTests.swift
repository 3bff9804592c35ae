import FoundationEssentials
import Glibc
import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct StreamTests {
    let reports = Reports()

    private static let folder = FileManager.default.temporaryDirectory.path

    @Test(arguments: [
        "127.0.0.1:0", "[::1]:0", ":0", "unix:\(folder)/omniway-\(UInt64.random(in: 0...(.max))).sock",
        "unix:@omniway-test-\(UInt64.random(in: 0...(.max)))",
    ])
    func `a stream goes both ways and ends in both directions`(_ text: String) async throws {
        try await withLoops { [reports] loops in
            let address = try #require(SocketAddress(text))
            let intakes = await loops.own { _ in echo(reports) }
            let listening = try await StreamAcceptor(address).open(into: intakes)
            let target = text == ":0" ? SocketAddress.loopback(port: listening.address.port) : listening.address
            await StreamDialer(target).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("hello") }, onReceive: { _, link in link.finish() })
            }
            #expect(await reports.bytes("client", count: 5) == Array("hello".utf8))
            #expect(try await reports.next("client", .closed).reason == "finished")
            await listening.stop()
        }
    }

    @Test func `a socket file is removed when nobody listens any more, and one that is in use is left alone`()
        async throws
    {
        try await withLoops { [reports] loops in
            let path = "\(Self.folder)/omniway-\(UInt64.random(in: 0...(.max))).sock"
            let intakes = await loops.own { _ in echo(reports) }
            let listening = try await StreamAcceptor(.unix(path)).open(into: intakes)
            await #expect(throws: ListenError.addressInUse(.unix(path))) {
                try await StreamAcceptor(.unix(path)).open(into: intakes)
            }
            await listening.stop()
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `a busy port is an error that says what to do`() async throws {
        try await withLoops { [reports] loops in
            let intakes = await loops.own { _ in echo(reports) }
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            let error = await #expect(throws: ListenError.self) {
                try await StreamAcceptor(listening.address).open(into: intakes)
            }
            #expect(
                error?.description
                    == "cannot listen on \(listening.address): it is in use; "
                    + "stop the process that has it, or choose another address"
            )
            await listening.stop()
        }
    }

    @Test(arguments: [StreamAcceptor.Spread.kernel, .dealt])
    func `connections reach all loops`(_ spread: StreamAcceptor.Spread) async throws {
        try await withLoops(2) { [reports] loops in
            let intakes = await loops.own { loop in Reporter("loop \(loop.index)", reports) }
            let listening = try await StreamAcceptor(.loopback(), spread: spread).open(into: intakes)
            for _ in 0..<64 {
                await StreamDialer(listening.address).dial(on: loops.loops[0]) { Reporter("client", reports) }
            }
            _ = try await reports.next("loop 0", .opened)
            _ = try await reports.next("loop 1", .opened)
            await listening.stop()
        }
    }

    @Test func `a refused connection says who refused it`() async throws {
        try await withLoops { [reports] loops in
            let port = try TestProgram.freePort()
            await StreamDialer(.loopback(port: port)).dial(on: loops.loops[0]) { Reporter("client", reports) }
            let closed = try await reports.next("client", .closed)
            #expect(closed.reason == "connect-failed: 127.0.0.1:\(port): connection refused")
        }
    }

    @Test func `a name that does not exist says so`() async throws {
        try await withLoops { [reports] loops in
            await StreamDialer(HostPort(host: "no-such-host.invalid", port: 1)).dial(on: loops.loops[0]) {
                Reporter("client", reports)
            }
            let closed = try await reports.next("client", .closed)
            #expect(closed.reason?.hasPrefix("address-unknown: no-such-host.invalid: ") == true)
        }
    }

    @Test func `an address in digits is not looked up`() {
        for host in ["127.0.0.1", "::1"] {
            guard case .addresses(let addresses) = StreamDialer(HostPort(host: host, port: 5)).target else {
                Issue.record("\(host) is looked up")
                continue
            }
            #expect(addresses.count == 1 && SocketAddress(host: host, port: 5) == addresses.first)
        }
    }

    /// `127.1` is no address in digits, and a name that needs no hosts file.
    @Test func `a name is looked up off the loop and connected`() async throws {
        try await withLoops { [reports] loops in
            let intakes = await loops.own { _ in echo(reports) }
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            await StreamDialer(HostPort(host: "127.1", port: listening.address.port)).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("hi") })
            }
            #expect(await reports.bytes("client", count: 2) == Array("hi".utf8))
            await listening.stop()
        }
    }

    /// A listener that accepts nobody and whose queue is full: the kernel leaves further connections unanswered.
    private func withSilentAddress(_ body: (SocketAddress) async throws -> Void) async throws {
        let listener = try OwnedDescriptor.listening(on: .loopback(), backlog: 0)
        let address = listener.localAddress
        try await withLoops { loops in
            let reports = Reports()
            // The first ones fill the queue; one that is still connecting after it is full is never answered.
            for _ in 0..<3 { await StreamDialer(address).dial(on: loops.loops[0]) { Reporter("filler", reports) } }
            _ = try await reports.next("filler", .opened)
            try await body(address)
        }
        _ = consume listener
    }

    @Test func `an address that does not answer is left after the deadline`() async throws {
        try await withSilentAddress { [reports] silent in
            try await withLoops { loops in
                await StreamDialer(silent).dial(on: loops.loops[0], deadline: .milliseconds(50)) {
                    Reporter("client", reports)
                }
                let closed = try await reports.next("client", .closed)
                #expect(closed.reason == "connect-timeout: nobody answered in time")
            }
        }
    }

    @Test func `the next address is tried beside one that does not answer, and at once after one that refuses`()
        async throws
    {
        try await withSilentAddress { [reports] silent in
            try await withLoops { loops in
                let intakes = await loops.own { _ in echo(reports) }
                let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
                let refusing = SocketAddress.loopback(port: try TestProgram.freePort())
                var dialer = StreamDialer([refusing, silent, listening.address])
                dialer.attemptDelay = .milliseconds(10)
                await dialer.dial(on: loops.loops[0]) { Reporter("client", reports, onOpen: { $0.write("found") }) }
                #expect(await reports.bytes("client", count: 5) == Array("found".utf8))
                await listening.stop()
            }
        }
    }

    @Test func `families take turns in the order of the resolver`() {
        let v4 = [SocketAddress.ipv4(1, port: 0), .ipv4(2, port: 0), .ipv4(3, port: 0)]
        let v6 = [SocketAddress.ipv6(high: 0, low: 1, port: 0)]
        #expect(Resolver.takingTurns(v6 + v4) == [v6[0], v4[0], v4[1], v4[2]])
        #expect(Resolver.takingTurns(v4 + v6) == [v4[0], v6[0], v4[1], v4[2]])
        #expect(Resolver.takingTurns([]) == [])
    }

    @Test func `closing a link that is still connecting stops the attempts`() async throws {
        try await withSilentAddress { [reports] silent in
            try await withLoops { loops in
                await loops.loops[0].run { loop in
                    let link = StreamDialer(silent).dial(
                        on: loop, deadline: .seconds(60), handler: Reporter("client", reports))
                    link?.write("never sent")
                    link?.close(.done)
                }
                let closed = try await reports.next("client", .closed)
                #expect(closed.reason == "done")
            }
        }
    }

    @Test func `a broken connection is told from a clean end`() async throws {
        try await withLoops { [reports] loops in
            let intakes = await loops.own { _ in
                Reporter("server", reports, onReceive: { _, link in link.close(.reset) })
            }
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            await StreamDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("x") })
            }
            #expect(try await reports.next("client", .closed).reason == "reset: connection reset by peer")
            await listening.stop()
        }
    }

    @Test func `the last words arrive although the peer's were not read`() async throws {
        try await withLoops(2) { [reports] loops in
            let intakes = await [loops.loops[0].own { _ in Reporter("server", reports, onOpen: { $0.pauseReading() }) }]
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            await StreamDialer(listening.address).dial(on: loops.loops[1]) {
                Reporter("client", reports, onOpen: { $0.write([UInt8](repeating: 1, count: 1000)) })
            }
            _ = try await reports.next("client", .opened)
            // A turn later the bytes are with the server's kernel, and nobody reads them.
            await loops.loops[1].run { _ in }
            // Closing now would make the kernel reset the connection and drop what is under way.
            await loops.loops[0].run { loop in
                loop.forEachLink { link in
                    link.write([UInt8](repeating: 2, count: 200_000))
                    link.close(.done)
                }
            }
            #expect(await reports.bytes("client", count: 200_000).count == 200_000)
            #expect(try await reports.next("client", .finished).who == "client")
            await listening.stop()
        }
    }

    @Test func `the last words arrive although the peer goes on sending`() async throws {
        try await withLoops(2) { [reports] loops in
            let intakes = await [
                loops.loops[0].own { _ in
                    Reporter(
                        "server", reports,
                        onReceive: { _, link in
                            link.write("bye")
                            link.close(.done)
                        })
                }
            ]
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            await StreamDialer(listening.address).dial(on: loops.loops[1]) {
                Reporter(
                    "client", reports,
                    onOpen: { link in
                        link.pauseReading()
                        link.write("much")
                    })
            }
            _ = try await reports.next("server", .closed)
            // A socket that was closed altogether would answer these with a reset.
            for _ in 1...10 {
                await loops.loops[1].run { loop in loop.forEachLink { $0.write([UInt8](repeating: 1, count: 10_000)) } }
            }
            await loops.loops[1].run { loop in loop.forEachLink { $0.resumeReading() } }
            #expect(await reports.bytes("client", count: 3) == Array("bye".utf8))
            #expect(try await reports.next("client", .closed).reason == "finished")
            await listening.stop()
        }
    }

    @Test func `a link moves to another loop with its unread and unsent bytes`() async throws {
        try await withLoops(2) { [reports] loops in
            let target = loops.loops[1]
            let hand = await target.run { loop in
                loop.mailbox(of: DetachedLink.self) { detached in
                    #expect(detached.unread == Array("rest".utf8))
                    let reporter = Reporter("moved", reports, onReceive: { bytes, link in link.write(bytes) })
                    _ = loop.adopt(detached, handler: reporter)
                }
            }
            let intakes = await [loops.loops[0].own { _ in Moving(hand, taking: 4) }]
            let listening = try await StreamAcceptor(.loopback()).open(into: intakes)
            await StreamDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("headrest") })
            }
            #expect(await reports.bytes("client", count: 9) == Array("movedrest".utf8))
            await listening.stop()
        }
    }

    @Test func `sockets get the options that were set`() async throws {
        try await withLoops { [reports] loops in
            var options = SocketOptions()
            options.keepAlive = .seconds(40)
            options.userTimeout = .milliseconds(1500)
            let intakes = await loops.own { _ in Reporter("server", reports) }
            let listening = try await StreamAcceptor(.loopback(), options: options).open(into: intakes)
            await StreamDialer(listening.address).dial(on: loops.loops[0]) { Reporter("client", reports) }
            _ = try await reports.next("server", .opened)
            let values = await loops.loops[0].run { loop in
                var values: [[Int32]] = []
                loop.forEachLink { link in
                    guard let socket = try? link.detach().takeSocket() else { return }
                    let tcp = Int32(IPPROTO_TCP)
                    values.append(
                        [(tcp, TCP_NODELAY), (SOL_SOCKET, SO_KEEPALIVE), (tcp, TCP_KEEPIDLE), (tcp, TCP_USER_TIMEOUT)]
                            .map { level, option in
                                var value: Int32 = -1
                                var length = socklen_t(MemoryLayout<Int32>.size)
                                unsafe getsockopt(socket.descriptor.number, level, option, &value, &length)
                                return value
                            })
                }
                return values
            }
            #expect(values.contains([1, 1, 40, 1500]))  // The accepted one.
            #expect(values.contains([1, 1, 60, 0]))  // The dialled one, by default.
            await listening.stop()
        }
    }

    @Test func `limits refuse connections in all and from one address, and forget those that ended`() async throws {
        try await withLoops { [reports] loops in
            let limits = ConnectionLimits(total: 100, perAddress: 2)
            let intakes = await loops.own { _ in Reporter("server", reports) }
            let listening = try await StreamAcceptor(.loopback(), limits: limits).open(into: intakes)
            for _ in 0..<2 {
                await StreamDialer(listening.address).dial(on: loops.loops[0]) { Reporter("first", reports) }
                _ = try await reports.next("server", .opened)
            }
            await StreamDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("third", reports, onOpen: { $0.write("?") })
            }
            _ = try await reports.next("third", .closed)
            let (snapshot, _) = await loops.snapshot()
            let label = MeterSnapshot.Label(name: "reason", value: "too-many-from-address")
            #expect(snapshot.number("omniway_connections_refused_total", labels: [label]) == 1)
            #expect(limits.count == 2)
            await loops.loops[0].run { loop in loop.forEachLink { link in link.close(.done) } }
            _ = try await reports.next("server", .closed)
            _ = try await reports.next("server", .closed)
            await StreamDialer(listening.address).dial(on: loops.loops[0]) { Reporter("again", reports) }
            _ = try await reports.next("server", .opened)
            await listening.stop()
        }
    }

    @Test func `an adopted descriptor is a link like any other`() async throws {
        try await withLoops { [reports] loops in
            let (first, second) = try pairOfSockets()
            await loops.loops[0].run { loop in
                _ = loop.adopt(OwnedDescriptor(first), handler: echo(reports))
                _ = loop.adopt(
                    OwnedDescriptor(second), handler: Reporter("client", reports, onOpen: { $0.write("pair") }))
            }
            #expect(await reports.bytes("client", count: 4) == Array("pair".utf8))
        }
    }

    @Test func `megabytes go through a relay between sockets of two kinds, whatever the pace`() async throws {
        try await withLoops(2) { [reports] loops in
            let total = 8 << 20
            let servers = await loops.own { _ in echo(reports) }
            let server = try await StreamAcceptor(.unix("@omniway-\(UInt64.random(in: 0...(.max)))")).open(
                into: servers)
            let relays = await loops.own { _ in Joining(StreamDialer(server.address)) }
            let relay = try await StreamAcceptor(.loopback(), queue: QueueLimits(low: 1 << 10, high: 64 << 10)).open(
                into: relays)
            let sent = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            var dialer = StreamDialer(relay.address)
            dialer.queue = QueueLimits(most: 64 << 20)
            await dialer.dial(on: loops.loops[0]) {
                Reporter(
                    "client", reports,
                    onOpen: { link in
                        link.write(sent)
                        link.finish()
                    })
            }
            #expect(await reports.bytes("client", count: total) == sent)
            #expect(try await reports.next("client", .closed).reason == "finished")
            await relay.stop()
            await server.stop()
        }
    }
}

/// Takes a few bytes, then sends the link to another loop.
private final class Moving: LinkIntake, LinkHandler {
    private let hand: Mailbox<DetachedLink>
    private let count: Int
    init(_ hand: Mailbox<DetachedLink>, taking count: Int) { (self.hand, self.count) = (hand, count) }

    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard bytes.byteCount >= 8 else { return 0 }
        link.write("moved")
        do {
            hand.post(try link.detach(taken: count))
        } catch { Issue.record(error) }
        return 0
    }
}

private final class Joining: LinkIntake {
    private let dialer: StreamDialer
    init(_ dialer: StreamDialer) { self.dialer = dialer }

    func accept(_ link: Link) -> (any LinkHandler)? {
        guard let onward = dialer.dial(on: link.loop, deadline: .seconds(5), handler: Recorder()) else { return nil }
        do { try Relay(link, onward) } catch { Issue.record(error) }
        return link.handler
    }
}
