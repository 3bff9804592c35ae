import OmniwayTelemetry
import Testing

struct MeterSnapshotTests {
    @Test func `the values of several loops become one`() {
        var sum = MeterSnapshot()
        for loop in 1...3 {
            let meters = Meters()
            meters.counter("closed_total", "Closed.", labels: [("reason", "idle")]).add(UInt64(loop))
            meters.gauge("links", "Links.").set(-Int64(loop))
            meters.histogram("lag_seconds", "Lag.").record(nanoseconds: Int64(loop) * 1_000_000)
            if loop == 2 {
                meters.counter("closed_total", "Closed.", labels: [("reason", "error")]).add(5)
                meters.gauge("only_here", "One loop's.").set(1)
            }
            sum.add(meters.snapshot())
        }
        #expect(sum.families.map(\.name) == ["closed_total", "links", "lag_seconds", "only_here"])
        #expect(sum.number("closed_total", labels: [.init(name: "reason", value: "idle")]) == 6)
        #expect(sum.number("closed_total", labels: [.init(name: "reason", value: "error")]) == 5)
        #expect(sum.number("links") == -6)
        #expect(sum.number("only_here") == 1)
        #expect(sum.histogram("lag_seconds")?.count == 3)
        #expect(sum.histogram("lag_seconds")?.sum == 6_000_000)
    }

    @Test func `what was never measured has no value`() {
        let meters = Meters()
        _ = meters.counter("links_total", "Links.")
        let snapshot = meters.snapshot()
        #expect(snapshot.number("links") == nil)
        #expect(snapshot.number("links_total", labels: [.init(name: "a", value: "b")]) == nil)
        #expect(snapshot.histogram("links_total") == nil)
    }

    @Test func `numbers are written as Prometheus reads them`() {
        let meters = Meters()
        meters.counter("links_total", "All links.").add(3)
        meters.gauge("level", "Below zero.").set(-4)
        let odd = [("half", 0.5), ("none", .nan), ("most", .infinity), ("least", -.infinity), ("tiny", 1e-9)]
        for (label, value) in odd {
            meters.read(.gauge, "odd", "Odd.", labels: [("value", label)]) { value }
        }
        #expect(
            meters.snapshot().prometheusText == """
                # HELP links_total All links.
                # TYPE links_total counter
                links_total 3
                # HELP level Below zero.
                # TYPE level gauge
                level -4
                # HELP odd Odd.
                # TYPE odd gauge
                odd{value="half"} 0.5
                odd{value="none"} NaN
                odd{value="most"} +Inf
                odd{value="least"} -Inf
                odd{value="tiny"} 1e-09

                """)
    }

    @Test func `labels and help are escaped`() {
        let meters = Meters()
        meters.counter("a_total", "A \\ and\na \"line\".", labels: [("x", "q\"b\\n\nz"), ("y", "网关")]).add(1)
        #expect(
            meters.snapshot().prometheusText == #"""
                # HELP a_total A \\ and\na "line".
                # TYPE a_total counter
                a_total{x="q\"b\\n\nz",y="网关"} 1

                """#)
    }

    @Test func `a histogram is cumulative and ends with everything, the sum and the count`() {
        let meters = Meters()
        let histogram = meters.histogram("lag_seconds", "Lag.", labels: [("loop", "1")])
        for nanoseconds: Int64 in [0, 1500, 3000, 1_000_000, 1_000_000_000, 500_000_000_000] {
            histogram.record(nanoseconds: nanoseconds)
        }
        #expect(
            meters.snapshot().prometheusText == """
                # HELP lag_seconds Lag.
                # TYPE lag_seconds histogram
                lag_seconds_bucket{loop="1",le="2.048e-06"} 2
                lag_seconds_bucket{loop="1",le="4.096e-06"} 3
                lag_seconds_bucket{loop="1",le="8.192e-06"} 3
                lag_seconds_bucket{loop="1",le="1.6384e-05"} 3
                lag_seconds_bucket{loop="1",le="3.2768e-05"} 3
                lag_seconds_bucket{loop="1",le="6.5536e-05"} 3
                lag_seconds_bucket{loop="1",le="0.000131072"} 3
                lag_seconds_bucket{loop="1",le="0.000262144"} 3
                lag_seconds_bucket{loop="1",le="0.000524288"} 3
                lag_seconds_bucket{loop="1",le="0.001048576"} 4
                lag_seconds_bucket{loop="1",le="0.002097152"} 4
                lag_seconds_bucket{loop="1",le="0.004194304"} 4
                lag_seconds_bucket{loop="1",le="0.008388608"} 4
                lag_seconds_bucket{loop="1",le="0.016777216"} 4
                lag_seconds_bucket{loop="1",le="0.033554432"} 4
                lag_seconds_bucket{loop="1",le="0.067108864"} 4
                lag_seconds_bucket{loop="1",le="0.134217728"} 4
                lag_seconds_bucket{loop="1",le="0.268435456"} 4
                lag_seconds_bucket{loop="1",le="0.536870912"} 4
                lag_seconds_bucket{loop="1",le="1.073741824"} 5
                lag_seconds_bucket{loop="1",le="2.147483648"} 5
                lag_seconds_bucket{loop="1",le="4.294967296"} 5
                lag_seconds_bucket{loop="1",le="8.589934592"} 5
                lag_seconds_bucket{loop="1",le="17.179869184"} 5
                lag_seconds_bucket{loop="1",le="34.359738368"} 5
                lag_seconds_bucket{loop="1",le="68.719476736"} 5
                lag_seconds_bucket{loop="1",le="137.438953472"} 5
                lag_seconds_bucket{loop="1",le="274.877906944"} 5
                lag_seconds_bucket{loop="1",le="+Inf"} 6
                lag_seconds_sum{loop="1"} 501.0010045
                lag_seconds_count{loop="1"} 6

                """)
    }

    @Test func `a summary shows quantiles, the sum and the count, in its unit`() {
        let meters = Meters()
        for (name, unit) in [("wait_seconds", MeterUnit.seconds), ("wait_ns", .nanoseconds)] {
            let summary = meters.summary(name, "Wait.", labels: [("route", "a")], in: unit)
            for milliseconds: Int64 in 1...100 { summary.record(nanoseconds: milliseconds * 1_000_000) }
        }
        _ = meters.summary("none_ns", "None.", in: .nanoseconds)
        #expect(
            meters.snapshot().prometheusText == """
                # HELP wait_seconds Wait.
                # TYPE wait_seconds summary
                wait_seconds{route="a",quantile="0.7"} 0.075497472
                wait_seconds{route="a",quantile="0.95"} 0.092274688
                wait_seconds{route="a",quantile="0.99"} 0.092274688
                wait_seconds_sum{route="a"} 5.05
                wait_seconds_count{route="a"} 100
                # HELP wait_ns Wait.
                # TYPE wait_ns summary
                wait_ns{route="a",quantile="0.7"} 75497472
                wait_ns{route="a",quantile="0.95"} 92274688
                wait_ns{route="a",quantile="0.99"} 92274688
                wait_ns_sum{route="a"} 5050000000
                wait_ns_count{route="a"} 100
                # HELP none_ns None.
                # TYPE none_ns summary
                none_ns{quantile="0.7"} NaN
                none_ns{quantile="0.95"} NaN
                none_ns{quantile="0.99"} NaN
                none_ns_sum 0
                none_ns_count 0

                """)
    }

    @Test func `summaries of several loops become one, and its quantiles are of them all`() {
        var sum = MeterSnapshot()
        for loop: Int64 in 1...4 {
            let meters = Meters()
            let summary = meters.summary("wait_ns", "Wait.", in: .nanoseconds)
            for _ in 0..<25 { summary.record(nanoseconds: loop * 1_000_000) }
            sum.add(meters.snapshot())
        }
        #expect(sum.families.map(\.kind) == [.summary])
        #expect(sum.families.map(\.unit) == [.nanoseconds])
        #expect(sum.histogram("wait_ns")?.count == 100)
        let median = Double(sum.histogram("wait_ns")?.percentile(0.7) ?? 0)
        #expect(abs(median - 3_000_000) <= 0.13 * 3_000_000)
    }
}
