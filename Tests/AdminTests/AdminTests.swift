import Glibc
import OmniwayAdmin
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct AdminTests {
    /// Two loops, the endpoint that tells about them, and a client of it on a loop of its own.
    private func withAdmin(
        patience: Duration = .seconds(10), _ body: (Admin, EventLoops, LoopBound<HTTPClient>) async throws -> Void
    ) async throws {
        let (loops, elsewhere) = (EventLoops(count: 2), EventLoop())
        let admin = try await Admin(at: .loopback(), of: loops, version: "1.2.3", patience: patience)
        let address = admin.address
        let client = await elsewhere.own { loop in
            HTTPClient(on: loop, StreamDialer(address), host: "localhost", limits: HTTPClientLimits())
        }
        try await body(admin, loops, client)
        await admin.stop()
        await loops.shutdown()
        await elsewhere.shutdown()
    }

    @Test func `what is not there is not found, and what is only read cannot be posted`() async throws {
        try await withAdmin { _, _, client async throws in
            #expect(try await client.get("/else").status.code == 404)
            #expect(try await client.post("/healthz", []).status.code == 405)
        }
    }

    @Test func `a node is ready between its start and its end`() async throws {
        try await withAdmin { admin, _, client async throws in
            for (state, status) in [(Readiness.State.starting, 503), (.ready, 200), (.draining, 503)] {
                admin.readiness.state = state
                let answer = try await client.get("/readyz")
                #expect(answer.status.code == status)
                #expect(answer.text == "\(state)\n")
            }
        }
    }

    @Test func `what a node that is ready cannot use is said, and it stays ready`() async throws {
        try await withAdmin { admin, _, client async throws in
            admin.readiness.state = .ready
            admin.readiness.tell { ["registry: unavailable", "bus of loop 0: cut off"] }
            let answer = try await client.get("/readyz")
            #expect(answer.status.code == 200)
            #expect(answer.text == "ready\ndegraded: registry: unavailable\ndegraded: bus of loop 0: cut off\n")
        }
    }

    @Test func `metrics are those of all loops, and of the endpoint itself`() async throws {
        try await withAdmin { _, loops, client async throws in
            for loop in loops.loops { await loop.run { loop in loop.meters.counter("work_total", "Work.").add(2) } }
            let answer = try await client.get("/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = answer.text.split(separator: "\n")
            for line in [
                "work_total 4", "omniway_build_info{version=\"1.2.3\"} 1", "omniway_loop_stuck{loop=\"1\"} 0",
                "omniway_http_responses_total{status=\"2xx\"} 0",
            ] { #expect(lines.contains { $0 == line }, "\(line)") }
            #expect(lines.contains { $0.hasPrefix("omniway_loop_turns_total{loop=\"2\"}") })
        }
    }

    @Test func `a loop that a callback blocks is reported, and holds up no scrape`() async throws {
        try await withAdmin(patience: .milliseconds(50)) { _, loops, client async throws in
            let (blocked, release) = (Blocked(), Blocked())
            async let blocking: Void = loops.loops[1].run { _ in
                blocked.flag.store(true, ordering: .releasing)
                while !release.flag.load(ordering: .acquiring) { usleep(500) }  // Leaves others the processor.
            }
            while !blocked.flag.load(ordering: .acquiring) { await Task.yield() }
            let health = try await client.get("/healthz")
            #expect(health.status.code == 503)
            #expect(health.text.hasPrefix("loop 1 is stuck"))
            let metrics = try await client.get("/metrics")
            #expect(metrics.text.contains("\nomniway_loop_stuck{loop=\"1\"} 1\n"))
            #expect(metrics.text.contains("\nomniway_loop_turns_total{loop=\"0\"} "))
            #expect(!metrics.text.contains("omniway_loop_turns_total{loop=\"1\"}"))
            release.flag.store(true, ordering: .releasing)
            await blocking
            var answer = try await client.get("/healthz")
            while answer.status.code != 200 { answer = try await client.get("/healthz") }
            #expect(answer.text == "ok\n")
        }
    }

    @Test func `a busy address is an error, and leaves nothing running`() async throws {
        try await withAdmin { admin, loops, _ async throws in
            await #expect(throws: ListenError.addressInUse(admin.address)) {
                _ = try await Admin(at: admin.address, of: loops, version: "")
            }
        }
    }
}

private final class Blocked: Sendable {
    let flag = Atomic<Bool>(false)
}
