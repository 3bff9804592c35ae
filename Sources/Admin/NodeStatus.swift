import OmniwayTelemetry
import OmniwayTransport

/// What the endpoint knows about its node.
struct NodeStatus: Sendable {
    let loops: EventLoops
    /// The endpoint's own loop, which counts too.
    let home: EventLoop
    let readiness: Readiness
    let version: String
    let patience: Duration

    var routes: HTTPRoutes {
        var routes = HTTPRoutes()
        let status = self
        routes.get("/healthz") { exchange in
            let stuck = await status.loops.silent(within: status.patience)
            if stuck.isEmpty { return exchange.respond(.ok, "ok\n") }
            let lines = stuck.map { "loop \($0) is stuck: a callback has blocked it for \(status.patience)\n" }
            exchange.respond(.serviceUnavailable, lines.joined())
        }
        routes.get("/readyz") { exchange in
            let readiness = status.readiness
            exchange.respond(readiness.state == .ready ? .ok : .serviceUnavailable, readiness.text)
        }
        routes.get("/metrics") { exchange in
            let text = await status.metrics()
            exchange.respond(.ok, text, ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"])
        }
        return routes
    }

    /// All loops together, in Prometheus' words. One that is stuck is left out, and named.
    private func metrics() async -> String {
        let (sum, silent) = await loops.snapshot(within: patience)
        var snapshot = sum
        snapshot.add(await home.snapshot())
        snapshot.add(MeterSnapshot(families: [build, stuckLoops(silent)]))
        return snapshot.prometheusText
    }

    private var build: MeterSnapshot.Family {
        .gauge("omniway_build_info", "The build; always 1.", [(["version": version], 1)])
    }

    private func stuckLoops(_ silent: [Int]) -> MeterSnapshot.Family {
        .gauge(
            "omniway_loop_stuck", "1 for a loop that did not answer in time; its meters are missing here.",
            loops.loops.map { (["loop": "\($0.index)"], silent.contains($0.index) ? 1 : 0) })
    }
}
