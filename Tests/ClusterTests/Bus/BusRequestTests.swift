import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// Requests and their answers, on every bus.
@Suite(.timeLimit(.minutes(1))) struct BusRequestTests {
    @Test(arguments: BusKind.allCases)
    func `a request is answered, at once or later, from another loop or the same`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let bus = world.bus
            _ = try await world.listen("now", on: world.second) { try? $0.respond(Array("now \($0.text)".utf8)) }
            _ = try await world.listen("later", on: world.second) { message in
                guard let reply = message.reply else { return }
                // Through another subject, so that the call that brought the request has returned.
                reply.port.request("now", message.payload, deadline: .seconds(20)) { answer in
                    if case .success(let answer) = answer { try? reply.send(Array("later \(answer.text)".utf8)) }
                }
            }
            #expect(try await world.ask("now", "a", on: world.first) == "now a")
            #expect(try await world.ask("now", "b", on: world.second) == "now b")
            #expect(try await world.ask("later", "c", on: world.first) == "later now c")
            #expect(await world.first.run { bus.port(on: $0).requestCount } == 0)
            #expect(await world.count("omniway_bus_requests_total", ["answered"], on: world.first) == 2)
        }
    }

    @Test(arguments: BusKind.allCases)
    func `many requests under way find their own answers`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            _ = try await world.listen("echo", on: world.second) { try? $0.respond($0.payload) }
            let (heard, bus) = (Heard(), world.bus)
            await world.first.run { loop in
                for number in 0..<500 {
                    bus.port(on: loop).request("echo", Array("\(number)".utf8), deadline: .seconds(20)) { answer in
                        if case .success(let message) = answer { heard.add("\(number)=\(message.text)") }
                    }
                }
            }
            #expect(await Set(heard.wait(for: 500)) == Set((0..<500).map { "\($0)=\($0)" }))
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a request that nobody listens to fails at once`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            #expect(await world.failure(of: "nobody", on: world.first) == .noResponders("nobody"))
            #expect(await world.count("omniway_bus_requests_total", ["no-responders"], on: world.first) == 1)
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a request that nobody answers fails at its deadline, and its late answer is counted`(
        _ kind: BusKind
    ) async throws {
        try await BusWorld.with(kind) { world in
            let (replies, bus) = (Heard(), world.bus)
            _ = try await world.listen("slow", on: world.second) { replies.add($0.replySubject ?? "none") }
            let limit = Duration.milliseconds(20)
            #expect(
                await world.failure(of: "slow", on: world.first, deadline: limit) == .timedOut("slow", after: limit))
            let reply = await replies.wait(for: 1)[0]
            try await bus.publish(reply, [1], on: world.second)
            try await world.flush(world.second)
            try await world.flush(world.first)
            #expect(await world.count("omniway_bus_late_total", on: world.first) == 1)
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a cancelled request ends as cancelled, once`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (heard, bus) = (Heard(), world.bus)
            _ = try await world.listen("echo", on: world.second) { try? $0.respond($0.payload) }
            await world.first.run { loop in
                let request = bus.port(on: loop).request("echo", [1], deadline: .seconds(20)) { answer in
                    if case .failure(let error) = answer { heard.add(error.code) } else { heard.add("answered") }
                }
                if let request {
                    bus.port(on: loop).cancel(request)
                    bus.port(on: loop).cancel(request)
                }
            }
            #expect(try await world.ask("echo", "x", on: world.first) == "x")
            #expect(heard.texts == ["cancelled"])
        }
    }

    @Test(arguments: BusKind.allCases)
    func `more requests than may wait are refused`(_ kind: BusKind) async throws {
        var limits = BusLimits()
        limits.requests = 2
        try await BusWorld.with(kind, limits: limits) { world in
            let (heard, bus) = (Heard(), world.bus)
            _ = try await world.listen("slow", on: world.second) { _ in }
            await world.first.run { loop in
                for _ in 0..<3 {
                    bus.port(on: loop).request("slow", [], deadline: .seconds(20)) { answer in
                        if case .failure(let error) = answer { heard.add(error.code) }
                    }
                }
            }
            #expect(await heard.wait(for: 1) == ["too-many-requests"])
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a message may name any subject for its answer, also one that gets none`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (heard, bus) = (Heard(), world.bus)
            _ = try await world.listen("my.box", on: world.first) { message in
                heard.add("\(message.text)\(message.headers.isEmpty)")
            }
            _ = try await world.listen("echo", on: world.second) { message in
                let subject = message.replySubject
                #expect(subject == "my.box")
                try? message.respond(message.payload)
            }
            try await world.first.run { loop in
                try bus.port(on: loop).publish("echo", [0x61], replyTo: "my.box")
            }
            #expect(await heard.wait(for: 1) == ["atrue"])
            try await world.first.run { loop in
                try bus.port(on: loop).publish("nobody", [], replyTo: "my.box")
            }
            #expect(await heard.wait(for: 2).count == 2, "the bus says so to whoever listens there")
        }
    }
}
