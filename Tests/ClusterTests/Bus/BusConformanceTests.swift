import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

/// What every bus does, whatever moves its messages.
@Suite(.timeLimit(.minutes(1))) struct BusConformanceTests {
    @Test(arguments: BusKind.allCases)
    func `a message reaches all who have subscribed, on their loops`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let here = try await world.hear("pitaya/room/bindings", on: world.first)
            let there = try await world.hear("pitaya/room/bindings", on: world.second)
            let other = try await world.hear("pitaya/room/binding", on: world.second)
            let second = world.second
            let placed = try await world.listen("pitaya/room/bindings", on: second) { _ in
                #expect(second.isCurrent)
            }
            try await world.publish("pitaya/room/bindings", "hello", on: world.first)
            #expect(await here.wait(for: 1) == ["hello"])
            #expect(await there.wait(for: 1) == ["hello"])
            try await world.flush(second)
            #expect(other.texts.isEmpty)
            await placed.release()
        }
    }

    @Test(arguments: BusKind.allCases)
    func `messages of one loop come in the order in which they were sent`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let heard = try await world.hear("numbers", on: world.second)
            let bus = world.bus
            try await world.first.run { loop in
                for number in 0..<1000 { try bus.port(on: loop).publish("numbers", Array("\(number)".utf8)) }
            }
            #expect(await heard.wait(for: 1000) == (0..<1000).map { "\($0)" })
        }
    }

    @Test(arguments: BusKind.allCases)
    func `of a group one hears each message, and all who are in none`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let members = [
                try await world.hear("work", group: "g", on: world.first),
                try await world.hear("work", group: "g", on: world.second),
                try await world.hear("work", group: "g", on: world.second),
            ]
            let otherGroup = try await world.hear("work", group: "h", on: world.first)
            let all = try await world.hear("work", on: world.second)
            for number in 0..<60 { try await world.publish("work", "\(number)", on: world.first) }
            let sent = (0..<60).map { "\($0)" }
            #expect(await all.wait(for: 60) == sent)
            #expect(await Set(otherGroup.wait(for: 60)) == Set(sent))
            try await world.flush(world.first)
            try await world.flush(world.second)
            #expect(members.flatMap(\.texts).count == 60 && Set(members.flatMap(\.texts)) == Set(sent))
            #expect(members.allSatisfy { !$0.texts.isEmpty }, "each has its share")
        }
    }

    @Test(arguments: BusKind.allCases)
    func `wildcards stand for one token, or for all that follow`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let heard = Heard()
            for pattern in ["a.*.c", "a.>", "*", "*.b.*"] {
                _ = try await world.listen(pattern, on: world.second) { heard.add("\(pattern) \($0.subject)") }
            }
            for subject in ["a.b.c", "a", "a.x", "a.b.c.d", "z.b.z"] {
                try await world.publish(subject, "", on: world.first)
            }
            let expected = [
                "a.*.c a.b.c", "a.> a.b.c", "*.b.* a.b.c", "* a", "a.> a.x", "a.> a.b.c.d", "*.b.* z.b.z",
            ]
            #expect(await heard.wait(for: 7).sorted() == expected.sorted())
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a cancelled subscription hears nothing more, and is forgotten`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let heard = try await world.hear("s", on: world.second)
            try await world.publish("s", "1", on: world.first)
            _ = await heard.wait(for: 1)
            try await heard.run { _, subscription in subscription.cancel() }
            try await world.flush(world.second)
            try await world.publish("s", "2", on: world.first)
            try await world.flush(world.first)
            try await world.flush(world.second)
            #expect(heard.texts == ["1"])
            #expect(try await heard.run { _, subscription in subscription.hasEnded })
            let bus = world.bus
            #expect(await world.second.run { bus.port(on: $0).subscriptionCount } == 0)
        }
    }

    // MARK: What is carried

    @Test(arguments: BusKind.allCases)
    func `payloads of any bytes and size arrive as they are, with their headers`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let bus = world.bus
            _ = try await world.listen("echo", on: world.second) { message in
                let isRequest = message.expectsAnswer
                #expect(isRequest)
                try? message.respond(message.payload, headers: message.headers)
            }
            for size in [0, 1, 2 << 10, 2 << 10 + 1, 300_000, (1 << 20) - 100] {
                let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
                let headers: BusHeaders = ["traceparent": "00-\(size)", "X": "a: b"]
                let answer = try await bus.request(
                    "echo", body, headers: headers, deadline: .seconds(20), on: world.first)
                #expect(
                    answer.body == body && answer.headers == headers && answer.headers["TRACEPARENT"] == "00-\(size)")
                #expect(try await bus.request("echo", body, deadline: .seconds(20), on: world.first).headers.isEmpty)
            }
        }
    }

    @Test(arguments: BusKind.allCases)
    func `what cannot be sent is refused with words that help`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let bus = world.bus
            let big = [UInt8](repeating: 0, count: (1 << 20) + 1)
            await #expect(throws: BusError.tooLarge(big.count, limit: 1 << 20)) {
                try await bus.publish("s", big, on: world.first)
            }
            for (subject, fault) in [
                ("", BusSubject.Fault.empty), ("a b", .blank), ("a.", .emptyToken), ("a..b", .emptyToken),
                (".a", .emptyToken), ("a.*", .wildcard), (">", .wildcard), ("a\r\nPUB b 0", .blank),
                (String(repeating: "x", count: 1025), .tooLong),
            ] {
                guard case .badSubject(_, fault) = await world.failure(of: subject, on: world.first) else {
                    Issue.record("'\(subject)' was taken")
                    continue
                }
            }
            for subject in ["a*", "a.>.b", "*a", ">.a", ""] {
                await #expect(throws: BusError.self, "\(subject)") {
                    try await world.first.run { loop in _ = try bus.port(on: loop).subscribe(subject) { _ in } }
                }
            }
            await #expect(throws: BusError.badHeaders) {
                try await bus.publish("s", [], headers: ["a\r\n": "b"], on: world.first)
            }
            #expect(BusSubject.fault(of: "pitaya/connector/user/ü-1/push") == nil)
        }
    }

    // MARK: Waiting and draining

    @Test(arguments: BusKind.allCases)
    func `a paused subscription keeps what fits its limit in order, and counts what it drops`(
        _ kind: BusKind
    ) async throws {
        try await BusWorld.with(kind) { world in
            let heard = try await world.hear("s", on: world.second)
            try await heard.run { _, subscription in
                subscription.pendingLimits = (3, 100)
                subscription.pause()
            }
            for number in 0..<5 { try await world.publish("s", "\(number)", on: world.first) }
            try await world.flush(world.first)
            try await world.flush(world.second)
            #expect(try await heard.run { _, subscription in subscription.pending } == 3)
            #expect(try await heard.run { _, subscription in subscription.dropped } == 2)
            #expect(heard.texts.isEmpty)
            try await heard.run { _, subscription in subscription.resume() }
            try await world.publish("s", "5", on: world.first)
            #expect(await heard.wait(for: 4) == ["0", "1", "2", "5"])
            #expect(await world.count("omniway_bus_dropped_total", on: world.second) == 2)
            #expect(await world.count("omniway_bus_pending", on: world.second) == 0)
        }
    }

    @Test(arguments: BusKind.allCases)
    func `the bytes that wait for a paused subscription are limited too`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let heard = try await world.hear("s", on: world.second)
            try await heard.run { _, subscription in
                subscription.pendingLimits = (100, 5)
                subscription.pause()
            }
            for text in ["abc", "de", "f"] { try await world.publish("s", text, on: world.first) }
            try await world.flush(world.first)
            try await world.flush(world.second)
            try await heard.run { _, subscription in subscription.resume() }
            #expect(await heard.wait(for: 2) == ["abc", "de"])
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a subscription that is drained still hears what was sent before`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let heard = try await world.hear("s", on: world.second)
            try await heard.run { _, subscription in subscription.pause() }
            for number in 0..<10 { try await world.publish("s", "\(number)", on: world.first) }
            try await world.flush(world.first)
            try await heard.run { _, subscription in subscription.drain { heard.add("drained") } }
            try await world.flush(world.second)
            try await world.publish("s", "late", on: world.first)
            try await world.flush(world.first)
            #expect(heard.texts.isEmpty, "it is paused")
            try await heard.run { _, subscription in subscription.resume() }
            #expect(await heard.wait(for: 11) == (0..<10).map { "\($0)" } + ["drained"])
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a port that is drained answers and is answered, then refuses all`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (bus, heard) = (world.bus, Heard())
            _ = try await world.listen("echo", on: world.second) { message in
                guard let reply = message.reply else { return }
                heard.add("asked")
                // Answered by a timer, when the draining has begun.
                reply.port.loop.after(.milliseconds(50), Later { try? reply.send([0x61]) })
            }
            let first = world.first
            async let answer = world.ask("echo", "", on: first)
            _ = await heard.wait(for: 1)
            async let drained: Void = bus.drain(within: .seconds(20), on: [first])
            #expect(try await answer == "a")
            await drained
            #expect(await first.run { loop in bus.port(on: loop).state } != .draining, "a new one, for whoever asks")
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a closed port fails what is under way and what comes`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (bus, heard) = (world.bus, Heard())
            _ = try await world.listen("slow", on: world.second) { _ in }
            await world.first.run { loop in
                let port = bus.port(on: loop)
                port.request("slow", [], deadline: .seconds(20)) { answer in
                    if case .failure(let error) = answer { heard.add(error.code) }
                }
                port.close()
                port.request("slow", [], deadline: .seconds(20)) { answer in
                    if case .failure(let error) = answer { heard.add(error.code) }
                }
                #expect(port.state == .closed)
                #expect(throws: BusError.closed) { try port.publish("slow", []) }
                #expect(throws: BusError.closed) { try port.subscribe("slow") { _ in } }
                port.flush { heard.add($0?.code ?? "flushed") }
                port.close()
            }
            #expect(heard.texts == ["bus-closed", "bus-closed", "bus-closed"])
        }
    }

    @Test(arguments: BusKind.allCases)
    func `what was published before a port closes still goes out`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (bus, heard) = (world.bus, try await world.hear("s", on: world.second))
            try await world.first.run { loop in
                for number in 0..<100 { try bus.port(on: loop).publish("s", Array("\(number)".utf8)) }
                bus.port(on: loop).close()
            }
            #expect(await heard.wait(for: 100) == (0..<100).map { "\($0)" })
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a handler may cancel, close and ask again while it handles`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (bus, heard) = (world.bus, Heard())
            let kept = await world.second.own { _ in Kept() }
            try await kept.run { loop, kept in
                let port = bus.port(on: loop)
                kept.all.append(
                    try port.subscribe("once") { message in
                        heard.add("once \(message.text)")
                        kept.all[0].cancel()
                        port.request("once", message.payload, deadline: .seconds(20)) { answer in
                            if case .failure(let error) = answer { heard.add(error.code) }
                            port.close()
                        }
                    })
            }
            try await world.flush(world.second)
            for text in ["1", "2"] { try await world.publish("once", text, on: world.first) }
            #expect(await heard.wait(for: 2) == ["once 1", "no-responders"])
            try await bus.ready(within: .seconds(60), on: [world.second])
            #expect(
                try await world.hear("other", on: world.second).texts.isEmpty, "a closed port makes room for another")
        }
    }

    @Test(arguments: BusKind.allCases)
    func `a hundred thousand subscriptions do not slow a message down`(_ kind: BusKind) async throws {
        try await BusWorld.with(kind) { world in
            let (bus, heard) = (world.bus, Heard())
            try await world.second.run { loop in
                let port = bus.port(on: loop)
                for user in 0..<100_000 {
                    try port.subscribe("pitaya/connector/user/\(user)/push") { heard.add("\(user) \($0.text)") }
                }
            }
            try await world.flush(world.second)
            for user in [0, 99_999, 5000] {
                try await world.publish("pitaya/connector/user/\(user)/push", "hi", on: world.first)
            }
            #expect(await heard.wait(for: 3) == ["0 hi", "99999 hi", "5000 hi"])
        }
    }
}

/// Work for a timer.
final class Later: TimerTarget {
    private let work: () -> Void
    init(_ work: @escaping () -> Void) { self.work = work }
    func timerFired(_ token: UInt64, on loop: Loop) { work() }
}
