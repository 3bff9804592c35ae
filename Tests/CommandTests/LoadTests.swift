import Omniway
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayCommand

/// A server that answers each message with another one.
private final class Liar: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write([UInt8](repeating: 0xff, count: bytes.byteCount))
        return bytes.byteCount
    }
}

/// Answers three messages of a connection, and closes it.
private final class Closer: LinkIntake {
    func accept(_ link: Link) -> (any LinkHandler)? { Answers() }

    private final class Answers: LinkHandler {
        private var left = 3 * 64
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            let count = min(left, bytes.byteCount)
            link.write(bytes.extracting(0..<count))
            left -= count
            if left == 0 { link.close(.done) }
            return bytes.byteCount
        }
    }
}

/// An echo that swallows every fourth datagram.
private final class Leak: LinkIntake, LinkHandler {
    private var count = 0
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        count += 1
        if !count.isMultiple(of: 4) { link.write(bytes) }
        return bytes.byteCount
    }
}

/// An echo that says everything twice.
private final class Doubling: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        for _ in 0..<2 { link.write(bytes) }
        return bytes.byteCount
    }
}

@Suite(.timeLimit(.minutes(2))) struct LoadTests {
    private static func plan(
        _ kind: LoadPlan.Kind, over dialer: some Dialer, _ change: (inout LoadPlan) -> Void = { _ in }
    ) -> LoadPlan {
        var plan = LoadPlan(kind: kind, place: "here", dialer: dialer)
        (plan.connections, plan.inFlight) = (4, 3)
        (plan.warmUp, plan.duration) = (.milliseconds(20), .milliseconds(300))
        plan.body = Array(#""hello""#.utf8)
        change(&plan)
        return plan
    }

    private static func echo(on loops: EventLoops) async throws -> SocketAddress {
        let intakes = await loops.own { _ in EchoIntake(idleLimit: .zero) }
        return try await StreamAcceptor(.loopback()).open(into: intakes).address
    }

    @Test func `each answer brings the next message, and all are counted`() async throws {
        let loops = EventLoops(count: 1)
        let address = try await Self.echo(on: loops)
        for loopCount in [1, 3] {
            let report = try await LoadRun(
                Self.plan(.echo, over: StreamDialer(address)) { ($0.loops, $0.size) = (loopCount, 1000) }
            ).result()
            #expect(report.isGood, "\(report.text)")
            #expect(report.counts.connects == 4)
            #expect(report.counts.answers > 100)
            #expect(report.counts.bytes == report.counts.answers * 1000)
            let latency = try #require(report.counts.latency)
            #expect(Int(latency.count) == report.counts.answers)
            #expect(report.counts.longest > .zero)
        }
        await loops.shutdown()
    }

    @Test func `by a rate there are as many messages as are due, however fast the server is`() async throws {
        let loops = EventLoops(count: 1)
        let address = try await Self.echo(on: loops)
        let report = try await LoadRun(
            Self.plan(.echo, over: StreamDialer(address)) { ($0.rate, $0.inFlight) = (1000, 64) }
        ).result()
        #expect(report.isGood, "\(report.text)")
        #expect(299...302 ~= report.counts.answers)
        await loops.shutdown()
    }

    @Test func `connections give way to new ones after so many answers`() async throws {
        let loops = EventLoops(count: 1)
        let address = try await Self.echo(on: loops)
        let report = try await LoadRun(Self.plan(.echo, over: StreamDialer(address)) { $0.renew = 5 }).result()
        #expect(report.isGood, "\(report.text)")
        #expect(report.counts.connects > 8)
        await loops.shutdown()
    }

    @Test func `a server that is not there, or answers wrongly, is told by kind`() async throws {
        let loops = EventLoops(count: 1)
        let address = try await Self.echo(on: loops)
        let liars = try await StreamAcceptor(.loopback()).open(into: await loops.own { _ in Liar() })
        let wrong = try await LoadRun(Self.plan(.echo, over: StreamDialer(liars.address))).result()
        #expect(!wrong.isGood)
        #expect(wrong.counts.answers == 0)
        #expect((wrong.counts.errors["lost: wrong answer"] ?? 0) > 0, "\(wrong.text)")
        await loops.shutdown()
        let absent = try await LoadRun(Self.plan(.echo, over: StreamDialer(address))).result()
        #expect((absent.counts.errors["connect: connect-failed"] ?? 0) >= 4, "\(absent.text)")
        #expect(absent.text.contains("errors    connect: connect-failed "))
    }

    @Test func `a connection that ends with nothing under way is closed, and one with a message lost`() async throws {
        let loops = EventLoops(count: 1)
        let closers = try await StreamAcceptor(.loopback()).open(into: await loops.own { _ in Closer() })
        let quiet = try await LoadRun(
            Self.plan(.echo, over: StreamDialer(closers.address)) { ($0.connections, $0.rate) = (1, 20) }
        ).result()
        #expect(quiet.counts.answers > 0)
        #expect((quiet.counts.errors["closed: finished"] ?? 0) > 0, "\(quiet.text)")
        let busy = try await LoadRun(
            Self.plan(.echo, over: StreamDialer(closers.address)) { $0.inFlight = 50 }
        ).result()
        #expect(busy.counts.errors.contains { $0.key.hasPrefix("lost: ") && $0.value > 1 }, "\(busy.text)")
        await loops.shutdown()
    }

    @Test func `datagrams are answered as they come and by a rate, and those that are lost are counted`() async throws {
        let loops = EventLoops(count: 1)
        let echoes = await loops.own { _ in EchoIntake(idleLimit: .zero) }
        let good = try await DatagramAcceptor(.loopback()).open(into: echoes)
        func plan(_ address: SocketAddress, _ change: (inout LoadPlan) -> Void) -> LoadPlan {
            Self.plan(.udp, over: DatagramDialer(address)) { plan in
                plan.patience = .milliseconds(300)
                change(&plan)
            }
        }
        let closed = try await LoadRun(plan(good.address) { ($0.renew, $0.size) = (20, 1000) }).result()
        #expect(closed.isGood, "\(closed.text)")
        #expect(closed.counts.answers > 100 && closed.counts.connects > 4)
        #expect(closed.counts.bytes == closed.counts.answers * 1000)
        let open = try await LoadRun(plan(good.address) { ($0.rate, $0.inFlight) = (1000, 64) }).result()
        #expect(open.isGood, "\(open.text)")
        #expect(299...302 ~= open.counts.answers)
        // Every fourth datagram has no answer; one without is no answer to another.
        let leaky = try await DatagramAcceptor(.loopback()).open(into: await loops.own { _ in Leak() })
        let lossy = try await LoadRun(
            plan(leaky.address) { ($0.rate, $0.inFlight, $0.warmUp) = (1000, 1024, .zero) }
        ).result()
        #expect(!lossy.isGood)
        let lost = lossy.counts.errors["lost"] ?? 0
        #expect(Array(lossy.counts.errors.keys) == ["lost"], "\(lossy.text)")
        #expect(299...302 ~= lossy.counts.answers + lost)
        #expect(74...76 ~= lost)
        let doubling = try await DatagramAcceptor(.loopback()).open(into: await loops.own { _ in Doubling() })
        let twice = try await LoadRun(plan(doubling.address) { $0.inFlight = 1 }).result()
        #expect((twice.counts.errors["twice"] ?? 0) > 0, "\(twice.text)")
        #expect(twice.counts.answers > 0)
        await loops.shutdown()
    }

    @Test(arguments: [GatewayDialect.v1, .v2], [false, true])
    func `a gateway is loaded from both sides, also over snet`(_ dialect: GatewayDialect, _ isSnet: Bool) async throws {
        let loops = EventLoops(count: 1)
        var configuration = GatewayPart.Configuration()
        configuration.gateway.keys = [Secret("open sesame")]
        configuration.clients.ports = [try GatewayPort("127.0.0.1:0")]
        configuration.servers.ports = [try GatewayPort("127.0.0.1:0")]
        (configuration.clients.dialect, configuration.servers.dialect) = (dialect, dialect)
        if isSnet { configuration.clients.snet = SnetServer() }
        let part = try await GatewayPart(configuration, on: loops)
        let clients = StreamDialer(part.doors[0].address)
        let servers = StreamDialer(part.doors[1].address)
        func change(_ plan: inout LoadPlan) {
            (plan.dialect, plan.server, plan.serving) = (dialect, 7, (servers, "open sesame"))
            plan.renew = 50
        }
        let plan =
            isSnet
            ? Self.plan(.gateway, over: SnetClient().over(clients), change)
            : Self.plan(.gateway, over: clients, change)
        let report = try await LoadRun(plan).result()
        #expect(report.isGood, "\(report.text)")
        #expect(report.counts.answers > 100)
        #expect(report.counts.connects > 4)
        _ = await part.stop(within: .seconds(1))
        await loops.shutdown()
    }

    @Test func `an app is asked at its route, and what it refuses is told by code`() async throws {
        let loops = EventLoops(count: 1)
        let app = App(type: "room")
        app.on("room.echo") { (body: [UInt8], context) in body }
        let (tcp, ws) = (InProcess(), InProcess())
        app.listen(tcp)
        app.listen(WebSocket().over(ws))
        try await app.start(on: loops)
        for dialer in [tcp, WebSocket().over(ws)] as [any Dialer] {
            let good = try await LoadRun(Self.plan(.app, over: dialer) { $0.route = "room.echo" }).result()
            #expect(good.isGood, "\(good.text)")
            #expect(good.counts.bytes == good.counts.answers * 7)
        }
        let bad = try await LoadRun(Self.plan(.app, over: tcp) { $0.route = "room.nothing" }).result()
        #expect((bad.counts.errors["PIT-404"] ?? 0) > 0, "\(bad.text)")
        await loops.shutdown()
    }

    @Test func `the command says it as JSON, and how it went by its code`() async throws {
        let omniway = BuiltProduct.path("omniway")
        let loops = EventLoops(count: 1)
        let address = try await Self.echo(on: loops)
        let lines = try await RunningGateway.script(
            "\(omniway) load echo \(address) --warm-up 0s --duration 200ms --json")
        #expect(lines.last == "code 0", "\(lines)")
        let json = try JSON.Reader().read(Array(lines.dropLast().joined(separator: "\n").utf8))
        #expect(try #require(json["perSecond"]).double() > 0)
        #expect(try #require(json["latency"]?["p99"]).double() > 0)
        await loops.shutdown()
        let failed = try await RunningGateway.script("\(omniway) load echo \(address) --duration 100ms 2>&1")
        #expect(failed.last == "code 1")
        let datagrams = try await RunningGateway.script("\(omniway) load udp tcp://\(address) 2>&1")
        #expect(datagrams.first?.contains("is no address of UDP; write host:port, or udp:// before it") == true)
        #expect(datagrams.last == "code 64")
        let unsaid = try await RunningGateway.script("\(omniway) load app \(address) 2>&1")
        #expect(unsaid == ["omniway load: an app is asked at a route; say which by --route", "code 64"])
    }
}
