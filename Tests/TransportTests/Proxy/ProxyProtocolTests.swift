import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import OmniwayWire
import Testing

@Suite struct ProxyProtocolTests {
    let world = SimulatedWorld()
    let stream: InProcess
    let intake: LoopBound<RecordingIntake>
    private static let player = SocketAddress.ipv4(0xc000_0201, port: 56324)
    private static let gate = SocketAddress.ipv4(0xc633_6407, port: 443)

    init() async {
        let peer = SocketAddress.ipv4(0x0a00_0001, port: 9)
        stream = InProcess(traits: LinkTraits(peer: peer))
        intake = await world.first.own { _ in RecordingIntake() }
    }

    private func listen(_ proxy: ProxyProtocol) async throws {
        let acceptor: some Acceptor = proxy.over(stream)
        _ = try await acceptor.open(into: [intake])
    }

    private func dial(_ announcement: ProxyAnnouncement? = nil, saying text: String = "") async -> LoopBound<Recorder> {
        let client = await world.first.own { _ in Recorder() }
        await client.run { [stream] loop, client in
            let link =
                if let announcement {
                    announcement.over(stream).dial(on: loop, deadline: .seconds(5), handler: client)
                } else { stream.dial(on: loop, deadline: .seconds(5), handler: client) }
            link?.write(text)
        }
        world.settle()
        return client
    }

    private func peers() async -> [SocketAddress] {
        await intake.run { _, intake in intake.recorders.compactMap { $0.link?.traits.peer } }
    }

    @Test(arguments: [ProxyAnnouncement.Version.v1, .v2])
    func `a listed proxy is believed, and what follows the header is the link's`(
        _ version: ProxyAnnouncement.Version
    ) async throws {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.0/8"))]))
        let announcement = ProxyAnnouncement(source: Self.player, destination: Self.gate, version: version)
        _ = await dial(announcement, saying: "hello")
        #expect(await peers() == [Self.player])
        await intake.run { _, intake in
            #expect(intake.recorders.map(\.text) == ["hello"])
            #expect(intake.recorders.map(\.events) == [[.opened]])
        }
    }

    @Test func `a header is read whole wherever it is cut`() async throws {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.1"))]))
        let header = ProxyHeader.proxied(source: .ipv4(1, port: 2), destination: .ipv4(3, port: 4))
        let client = await dial()
        for (index, byte) in (header.binary + Array("after".utf8)).enumerated() {
            await client.run { _, client in client.link?.write([byte]) }
            world.settle()
            #expect(await peers().count == (index + 1 < header.binary.count ? 0 : 1))
        }
        #expect(await peers() == [.ipv4(1, port: 2)])
        await intake.run { _, intake in #expect(intake.recorders.map(\.text) == ["after"]) }
    }

    @Test func `an address that is not listed passes as it is, and is not believed`() async throws {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.2"))]))
        let announcement = ProxyAnnouncement(source: Self.player, destination: Self.gate, version: .v1)
        _ = await dial(announcement, saying: "hello")
        #expect(await peers() == [.ipv4(0x0a00_0001, port: 9)])
        await intake.run { _, intake in
            #expect(intake.recorders.map(\.text) == ["PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nhello"])
        }
    }

    @Test func `a proxy that speaks for itself keeps its own address`() async throws {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.1"))]))
        _ = await dial(ProxyAnnouncement(source: .none, destination: .none))
        #expect(await peers() == [.ipv4(0x0a00_0001, port: 9)])
    }

    @Test func `a listed proxy without a header is refused, a silent one is cut, and others are served meanwhile`()
        async throws
    {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.0/8"))]))
        let silent = await dial(saying: "PROXY TCP4 ")
        let rude = await dial(saying: "GET / HTTP/1.1\r\n")
        await rude.run { _, rude in #expect(rude.events == [.opened, .finished]) }
        _ = await dial(ProxyAnnouncement(source: Self.player, destination: Self.gate))
        #expect(await peers() == [Self.player])
        world.advance(by: .milliseconds(4999))
        await silent.run { _, silent in #expect(silent.closeReason == nil) }
        world.advance(by: .milliseconds(1))
        await silent.run { _, silent in #expect(silent.closeReason != nil) }
        #expect(await peers() == [Self.player])
        let text = await world.first.snapshot().prometheusText
        for (outcome, count) in [("done", 1), ("failed", 1), ("timeout", 1)] {
            #expect(
                text.contains(
                    "omniway_handshakes_total{layer=\"proxy\",outcome=\"\(outcome)\",side=\"accepting\"} \(count)"))
        }
    }

    @Test func `limits count whom the proxy brings, for as long as the link lives`() async throws {
        let limits = ConnectionLimits(perAddress: 2)
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.0/8"))], limits: limits))
        let announcement = ProxyAnnouncement(source: Self.player, destination: Self.gate)
        let first = await dial(announcement)
        _ = await dial(announcement)
        let third = await dial(announcement)
        await third.run { _, third in #expect(third.closeReason != nil) }
        _ = await dial(ProxyAnnouncement(source: .ipv4(7, port: 7), destination: Self.gate))
        #expect(limits.count == 3)
        await first.run { _, first in first.link?.close(.done) }
        world.settle()
        await intake.run { _, intake in intake.recorders[0].link?.close(.done) }
        world.settle()
        #expect(limits.count == 2)
        let fourth = await dial(announcement)
        await fourth.run { _, fourth in #expect(fourth.events == [.opened]) }
    }

    @Test func `TLS goes over it, and sees the real peer`() async throws {
        let identity = try TLSIdentity.selfSigned("localhost")
        let proxied: some Acceptor = ProxyProtocol(from: [try #require(AddressRange("10.0.0.0/8"))]).over(stream)
        _ = try await TLSServer(identity).over(proxied).open(into: [intake])
        let announced: some Dialer = ProxyAnnouncement(source: Self.player, destination: Self.gate).over(stream)
        let client = try TLSClient(host: "localhost", trust: .roots(pem: identity.certificatePEM))
        let recorder = await world.first.own { _ in Recorder() }
        let dialer: some Dialer = client.over(announced)
        await recorder.run { loop, recorder in
            _ = dialer.dial(on: loop, deadline: .seconds(5), handler: recorder)
        }
        world.settle()
        await recorder.run { _, recorder in #expect(recorder.events == [.opened]) }
        #expect(await peers() == [Self.player])
    }

    @Test func `ranges hold the addresses that share their bits`() throws {
        let cases: [(String, String, Bool)] = [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::/65", "2001:db8::1", true), ("2001:db8::/65", "2001:db8::8000:0:0:1", false),
            ("::1", "::1", true), ("::/0", "10.0.0.1", false), ("fe80::/10", "fe80::1%1", true),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true), ("::ffff:10.0.0.0/104", "::ffff:11.0.0.1", false),
            ("::ffff:0:0/96", "8.8.8.8", true), ("::/0", "2001:db8::1", true),
        ]
        for (range, host, expected) in cases {
            let address = try #require(SocketAddress(host: host, port: 80))
            #expect(try #require(AddressRange(range)).contains(address) == expected, "\(range) \(host)")
        }
        for text in ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "a/8", "2001:db8::1/64", "/8"] {
            #expect(AddressRange(text) == nil, "\(text)")
        }
        #expect(AddressRange.loopback.contains { $0.contains(.loopback(port: 1)) })
        #expect(AddressRange.unix.contains(.unix("/run/a")))
        #expect(!AddressRange.unix.contains(.loopback()))
    }

    @Test func `a link that moves on as it opens takes along what follows the header, and not the header`()
        async throws
    {
        try await withLoops { loops in
            let reports = Reports()
            let mover = await loops.loops[0].own { _ in
                Reporter(
                    "mover", reports,
                    onOpen: { link in
                        guard let detached = try? link.detach() else { return }
                        _ = link.loop.adopt(detached, handler: Reporter("adopter", reports))
                    })
            }
            let proxy = ProxyProtocol(from: AddressRange.loopback)
            let listening = try await proxy.over(StreamAcceptor(.loopback())).open(into: [mover])
            let announcement = ProxyAnnouncement(source: Self.player, destination: Self.gate, version: .v1)
            await announcement.over(StreamDialer(listening.address)).dial(on: loops.loops[0]) {
                Reporter("client", reports, onOpen: { $0.write(Array("hello".utf8)) })
            }
            #expect(await reports.bytes("adopter", count: 5) == Array("hello".utf8))
            await listening.stop()
        }
    }

    @Test func `an intake that closes a link and keeps it hears only of the end`() async throws {
        try await listen(ProxyProtocol(from: [try #require(AddressRange("10.0.0.1"))]))
        await intake.run { _, intake in intake.prepare = { _, link in link.close(.done) } }
        _ = await dial(ProxyAnnouncement(source: Self.player, destination: Self.gate))
        await intake.run { _, intake in #expect(intake.recorders.map(\.events) == [[.closed(.done)]]) }
    }
}
