import OmniwayTelemetry
import OmniwayTransport

/// What the part of an app on one loop counts. Labels come from the app's own routes and settings and from codes of
/// errors, never from what clients write.
final class AppCounters {
    let sessions: Gauge
    let calls: Gauge
    let exceeded: Counter
    let refused: Counter
    let late: Counter
    let unrouted: Counter
    let unpublished: Counter
    let lost: Counter
    let timerRuns: Counter
    let timerErrors: Counter
    let timerSkips: Counter
    private let meters: Meters
    private var routes: [(name: String, type: String)]
    /// What every meter here says besides its own labels.
    private let labels: Meters.Labels
    /// Of answers without an error, by route: looked up for every message.
    private var good: [Histogram]
    private var failed: [Failed: Histogram] = [:]
    /// By route; nil for those that have never waited.
    private var delays: [Histogram?]

    private struct Failed: Hashable {
        let route: Int
        let code: String
    }

    init(_ meters: Meters, _ plan: AppPlan) {
        let labels = plan.meterLabels
        (self.meters, self.labels) = (meters, labels)
        routes = plan.routes.routes.map { ($0.name, "handler") } + plan.remotes.routes.map { ($0.name, "rpc") }
        sessions = meters.gauge("pitaya_acceptor_connected_clients", "Sessions that are open.", labels: labels)
        calls = meters.gauge("omniway_app_calls", "Handlers that wait for something.", labels: labels)
        func counter(_ name: String, _ help: String) -> Counter { meters.counter(name, help, labels: labels) }
        exceeded = counter("pitaya_acceptor_exceeded_rate_limiting", "Packets above a client's rate limit.")
        refused = counter("omniway_app_overloaded_total", "Messages refused because too much was under way.")
        late = counter("omniway_app_late_answers_total", "Answers for clients that had gone.")
        unrouted = counter("omniway_app_unrouted_total", "Notifies to routes that lead nowhere.")
        unpublished = counter(
            "omniway_app_unpublished_total", "Messages for users of other servers that the bus did not take.")
        lost = counter("omniway_app_lost_pushes_total", "Pushes that a loop was too far behind to take.")
        timerRuns = counter("omniway_app_timer_runs_total", "Runs of timers.")
        timerErrors = counter("omniway_app_timer_errors_total", "Runs of timers that ended with an error.")
        timerSkips = counter(
            "omniway_app_timer_skips_total", "Ticks of timers that were busy still, or for which there was no room.")
        good = routes.map { Self.responseTime(meters, $0, $1, "", labels) }
        delays = Array(repeating: nil, count: routes.count)
    }

    private static func responseTime(
        _ meters: Meters, _ route: String, _ type: String, _ code: String, _ labels: Meters.Labels
    ) -> Histogram {
        meters.summary(
            "pitaya_handler_response_time_ns", "From a message's arrival to its answer, since the start.",
            labels: [("route", route), ("status", code.isEmpty ? "ok" : "failed"), ("type", type), ("code", code)]
                + labels, in: .nanoseconds)
    }

    /// What counts messages to a route that was not known at the start.
    func add(_ name: String, type: String) -> Int {
        routes.append((name, type))
        good = good + [Self.responseTime(meters, name, type, "", labels)]
        delays.append(nil)
        return routes.count - 1
    }

    func answered(_ route: Int, from arrived: Moment, to now: Moment) { good[route].record(from: arrived, to: now) }

    func failed(_ route: Int, _ code: String, from arrived: Moment, to now: Moment) {
        let isCommon = failed.count < Self.mostCodes || failed[Failed(route: route, code: code)] != nil
        let key = Failed(route: route, code: isCommon ? code : "other")
        if let histogram = failed[key] { return histogram.record(from: arrived, to: now) }
        let histogram = Self.responseTime(meters, routes[route].name, routes[route].type, key.code, labels)
        failed[key] = histogram
        histogram.record(from: arrived, to: now)
    }

    /// An application may make codes as it likes; meters for all of them it cannot.
    private static let mostCodes = 1_000

    /// A handler has begun that did not do so at once.
    func began(_ route: Int, from arrived: Moment, to now: Moment) {
        let histogram =
            delays[route]
            ?? meters.summary(
                "pitaya_handler_handler_delay_ns", "From the arrival of a message that has to wait to its handler.",
                labels: [("route", routes[route].name), ("type", routes[route].type == "handler" ? "local" : "remote")]
                    + labels, in: .nanoseconds)
        delays[route] = histogram
        histogram.record(from: arrived, to: now)
    }

    func ended(_ reason: CloseReason) {
        meters.counter(
            "omniway_app_closed_total", "Sessions that ended, by reason.", labels: [("reason", reason.name)] + labels
        )
        .add(1)
    }
}

extension AppPlan {
    /// In the order of their names, so that all loops count the same series.
    fileprivate var meterLabels: Meters.Labels {
        [("serverType", type)] + settings.meterLabels.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

extension AppSettings {
    /// What Prometheus would not take.
    var meterFaults: [String] {
        let taken = ["route", "status", "type", "code", "reason", "serverType", "quantile"]
        return meterLabels.keys.sorted().compactMap { name in
            if taken.contains(name) { return "meterLabels has \(name), which the app's meters have already; rename it" }
            let isName =
                name.utf8.allSatisfy { $0 < 0x80 } && name.first?.isNumber == false
                && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } && !name.hasPrefix("__")
            return isName ? nil : "meterLabels has \"\(name)\"; a label's name is letters, digits and underscores"
        }
    }
}
