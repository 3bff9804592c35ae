import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import OmniwayWire
import Testing

/// Two invokers over memory; one of them answers.
private final class Caller: LinkHandler {
    private(set) var invoker: Invoker?
    private(set) var results: [String] = []

    func opened(_ link: Link) { invoker = Invoker(over: link, routes: InvokeRoutes()) }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }

    func call(_ path: String, _ body: String = "", within patience: Duration = Invoker.patience) {
        invoker?.invoke(path, body: body, within: patience) { result in
            switch result {
            case .success(let response): self.results.append(response.body)
            case .failure(let failure): self.results.append("\(failure)")
            }
        }
    }
}

private final class Answering: LinkIntake {
    let routes = InvokeRoutes()
    private(set) var invokers: [Invoker] = []
    var heard: [String] = []
    var kept: [InvokeAnswer] = []
    private var handler: (any LinkHandler)?

    init() {
        routes.oneWay("/note") { request, _ in self.heard.append(request.body) }
        routes.twoWay("/echo") { request, _, answer in answer.succeed(request.body) }
        routes.twoWay("/later") { _, _, answer in self.kept.append(answer) }
        routes.twoWay("/forget") { _, _, _ in }
        routes.twoWay("/throw") { _, _, _ in throw InvokeFailure.tooMany }
        routes.twoWay("/large") { _, _, answer in answer.succeed(String(repeating: "x", count: 2 << 20)) }
    }

    func accept(_ link: Link) -> (any LinkHandler)? {
        let invoker = Invoker(over: link, id: "i-1", routes: routes)
        invokers.append(invoker)
        return invoker
    }
}

private struct InvokerWorld {
    let world = SimulatedWorld()
    let caller: LoopBound<Caller>
    let answering: LoopBound<Answering>

    init(network: SeededNetwork? = nil) async throws {
        let transport = InProcess()
        answering = await world.first.own { _ in Answering() }
        _ = try await transport.open(into: [answering])
        caller = await world.first.own { loop in
            let caller = Caller()
            if let network {
                _ = network.over(transport).dial(on: loop, deadline: .seconds(9), handler: caller)
            } else {
                _ = transport.dial(on: loop, deadline: .seconds(9), handler: caller)
            }
            return caller
        }
        world.advance(by: .seconds(1))
    }

    var results: [String] { get async { await caller.run { _, caller in caller.results } } }
}

@Suite struct InvokerTests {
    @Test func `calls are answered, and what fails says why`() async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in
            for path in ["/Echo ", "/nothing", "/forget", "/throw", "/large"] { caller.call(path, "hi") }
        }
        world.world.settle()
        let results = await world.results
        #expect(
            results.prefix(4) == [
                "hi", "nothing is at /nothing (code 404)", "the handler gave no answer (code 400)",
                "too many calls wait for an answer already; wait for some of them (code 400)",
            ])
        #expect(results[4].hasSuffix("from 2 to 1048576 are allowed (code 413)"))
    }

    @Test func `a call has a deadline, and a late answer harms nobody`() async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in caller.call("/later", within: .seconds(3)) }
        world.world.advance(by: .seconds(2.9))
        #expect(await world.results.isEmpty)
        world.world.advance(by: .seconds(0.2))
        #expect(await world.results == ["the peer did not answer /later in time; it may be slow or gone"])
        await world.answering.run { _, answering in
            answering.kept[0].succeed("late")
            answering.kept[0].succeed("twice")
        }
        await world.caller.run { _, caller in caller.call("/echo", "after") }
        world.world.settle()
        #expect(await world.results.last == "after")
    }

    @Test func `calls that wait fail when the connection ends`() async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in
            caller.call("/later")
            caller.call("/later")
        }
        world.world.settle()
        await world.answering.run { _, answering in answering.invokers[0].close(.shutdown) }
        world.world.settle()
        #expect(await world.results.map { $0.hasPrefix("the connection has ended") } == [true, true])
    }

    @Test func `one-way requests keep their order, and those for nobody are dropped`() async throws {
        let world = try await InvokerWorld()
        try await world.caller.run { _, caller in
            for number in 0..<500 { try caller.invoker?.send(number % 7 == 0 ? "/none" : "/note", body: "\(number)") }
        }
        world.world.settle()
        let heard = await world.answering.run { _, answering in answering.heard }
        #expect(heard == (0..<500).filter { $0 % 7 != 0 }.map(String.init))
    }

    @Test func `while 64 requests are under way the peer is not read`() async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in for _ in 0..<70 { caller.call("/later") } }
        world.world.settle()
        #expect(await world.answering.run { _, answering in answering.kept.count } == 64)
        await world.answering.run { _, answering in for answer in answering.kept { answer.succeed("done") } }
        world.world.settle()
        #expect(await world.answering.run { _, answering in answering.kept.count } == 70)
        #expect(await world.results.count == 64)
    }

    @Test func `ten thousand calls at once have ten thousand answers`() async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in for number in 0..<10_000 { caller.call("/echo", "\(number)") } }
        world.world.settle()
        #expect(await world.results == (0..<10_000).map(String.init))
    }

    @Test(arguments: 1...10) func `calls survive a network that cuts frames anywhere`(_ seed: UInt64) async throws {
        var faults = SeededNetwork.Faults()
        faults.piece = 1...40
        let world = try await InvokerWorld(network: SeededNetwork(seed: seed, faults: faults))
        await world.caller.run { _, caller in for number in 0..<50 { caller.call("/echo", "\(number)") } }
        world.world.advance(by: .seconds(9))
        #expect(await world.results == (0..<50).map(String.init), "seed \(seed)")
    }

    @Test func `a handler may refuse everybody who has not logged in`() async throws {
        let world = try await InvokerWorld()
        await world.answering.run { _, answering in
            answering.routes.refusal = { request, invoker in
                invoker.terminal.isEmpty ? (.notAuthenticated, "log in first") : nil
            }
        }
        await world.caller.run { _, caller in caller.call("/echo", "1") }
        world.world.settle()
        await world.answering.run { _, answering in answering.invokers[0].terminal = "c-1" }
        await world.caller.run { _, caller in caller.call("/echo", "2") }
        world.world.settle()
        #expect(await world.results == ["log in first (code 401)", "2"])
    }

    @Test(arguments: [[0x7f, 255, 255, 255, 255, 255, 255, 255], [255, 255, 255, 255, 255, 255, 255, 255]])
    func `a peer that sends no frame loses its connection`(_ bytes: [UInt8]) async throws {
        let world = try await InvokerWorld()
        await world.caller.run { _, caller in caller.invoker?.link?.write(bytes) }
        world.world.settle()
        #expect(await world.answering.run { _, answering in answering.invokers[0].link == nil })
    }
}
