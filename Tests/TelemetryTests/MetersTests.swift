import OmniwayTelemetry
import Testing

struct MetersTests {
    private let meters = Meters()

    @Test func `a counter grows`() {
        let counter = meters.counter("links_total", "Links.")
        counter.add(1)
        counter.add(41)
        #expect(counter.value == 42)
        #expect(meters.snapshot().number("links_total") == 42)
    }

    @Test func `a gauge goes up and down and can be set`() {
        let gauge = meters.gauge("links", "Links.")
        gauge.add(5)
        gauge.add(-7)
        #expect(gauge.value == -2)
        gauge.set(9)
        #expect(meters.snapshot().number("links") == 9)
    }

    @Test func `the same name and labels give the same meter`() {
        let idle = meters.counter("closed_total", "Closed links.", labels: [("reason", "idle")])
        let other = meters.counter("closed_total", "Closed links.", labels: [("reason", "error")])
        #expect(idle === meters.counter("closed_total", "Closed links.", labels: [("reason", "idle")]))
        #expect(idle !== other)
        #expect(meters.gauge("links", "Links.") === meters.gauge("links", "Links."))
        #expect(meters.histogram("h_seconds", "H.") === meters.histogram("h_seconds", "H."))
        #expect(meters.summary("s_seconds", "S.") === meters.summary("s_seconds", "S."))
    }

    @Test func `what is known elsewhere is read when the snapshot is made`() {
        var depth = 1.0
        meters.read(.gauge, "depth", "Depth.", labels: [("queue", "in")]) { depth }
        depth = 7
        #expect(meters.snapshot().number("depth", labels: [.init(name: "queue", value: "in")]) == 7)
    }

    @Test func `a snapshot does not change afterwards`() {
        let counter = meters.counter("links_total", "Links.")
        let snapshot = meters.snapshot()
        counter.add(1)
        #expect(snapshot.number("links_total") == 0)
    }

    @Test func `a meter of one name cannot be two things`() async {
        await #expect(processExitsWith: .failure) {
            let meters = Meters()
            _ = meters.counter("links", "Links.")
            _ = meters.gauge("links", "Links.")
        }
    }

    @Test func `a summary is no histogram, and has one unit`() async {
        await #expect(processExitsWith: .failure) {
            let meters = Meters()
            _ = meters.summary("wait_seconds", "Wait.")
            _ = meters.histogram("wait_seconds", "Wait.")
        }
        await #expect(processExitsWith: .failure) {
            let meters = Meters()
            _ = meters.summary("wait", "Wait.", in: .seconds)
            _ = meters.summary("wait", "Wait.", in: .nanoseconds)
        }
    }
}
