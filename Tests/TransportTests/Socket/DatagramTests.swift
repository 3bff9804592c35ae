import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct DatagramTests {
    let reports = Reports()

    @Test func `each peer is a link of its own and keeps its messages`() async throws {
        try await withLoops(2) { [reports] loops in
            let intakes = await loops.own { _ in
                Reporter("server", reports, onReceive: { bytes, link in link.write(bytes) })
            }
            let listening = try await DatagramAcceptor(.loopback()).open(into: intakes)
            for name in ["a", "b"] {
                await DatagramDialer(listening.address).dial(on: loops.loops[0]) {
                    Reporter(
                        name, reports,
                        onOpen: { link in
                            link.write("\(name)1")
                            link.write("")
                            link.write("\(name)22")
                        })
                }
                var received: [String] = []
                while received.count < 3 {
                    received.append(String(decoding: try await reports.next(name, .received).bytes, as: UTF8.self))
                }
                #expect(received == ["\(name)1", "", "\(name)22"])
            }
            await listening.stop()
        }
    }

    @Test func `a peer that went silent ends, and speaks again as a new link`() async throws {
        try await withLoops { [reports] loops in
            var limits = DatagramLimits()
            limits.idle = .milliseconds(20)
            let intakes = await loops.own { _ in Reporter("server", reports) }
            let listening = try await DatagramAcceptor(.loopback(), limits: limits).open(into: intakes)
            await DatagramDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("one") })
            }
            #expect(try await reports.next("server", .closed).reason?.hasPrefix("idle: ") == true)
            await loops.loops[0].run { loop in loop.forEachLink { $0.write("two") } }
            #expect(try await reports.next("server", .received).bytes == Array("two".utf8))
            await listening.stop()
        }
    }

    @Test func `more peers than the limit are dropped and counted`() async throws {
        try await withLoops { [reports] loops in
            var limits = DatagramLimits()
            limits.flows = 1
            let intakes = await loops.own { _ in
                Reporter("server", reports, onReceive: { bytes, link in link.write(bytes) })
            }
            let listening = try await DatagramAcceptor(.loopback(), limits: limits).open(into: intakes)
            await DatagramDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("first", reports, onOpen: { $0.write("1") })
            }
            _ = try await reports.next("first", .received)
            await DatagramDialer(listening.address).dial(on: loops.loops[0]) {
                Reporter("second", reports, onOpen: { $0.write("2") })
            }
            let label = MeterSnapshot.Label(name: "reason", value: "too-many-links")
            while await loops.snapshot().snapshot.number("omniway_connections_refused_total", labels: [label]) != 1 {
                await Task.yield()
            }
            await listening.stop()
        }
    }

    @Test func `a peer that was quiet long enough gives its place to another`() async throws {
        try await withLoops { [reports] loops in
            var limits = DatagramLimits()
            (limits.flows, limits.replacesAfter) = (1, .zero)
            let intakes = await loops.own { _ in Reporter("server", reports, onReceive: { $1.write($0) }) }
            let listening = try await DatagramAcceptor(.loopback(), limits: limits).open(into: [intakes[0]])
            for name in ["first", "second"] {
                // By its name, which is looked up.
                let host = HostPort(host: "localhost", port: listening.address.port)
                await DatagramDialer(host).dial(on: loops.loops[0]) {
                    Reporter(name, reports, onOpen: { $0.write("x") })
                }
                // Who goes is told before who comes is answered.
                if name == "second" {
                    let end = try await reports.next("server", .closed)
                    #expect(end.reason?.hasPrefix("idle: another peer") == true)
                }
                _ = try await reports.next(name, .received)
            }
            await listening.stop()
        }
    }

    @Test func `a port where nobody listens ends the link that asked`() async throws {
        try await withLoops { [reports] loops in
            let socket = try OwnedDescriptor.listening(on: .loopback())  // TCP's; nobody has the same port of UDP.
            await DatagramDialer(socket.localAddress).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write("anybody?") })
            }
            #expect(try await reports.next("client", .closed).reason == "reset: connection refused")
            _ = consume socket
        }
    }
}
