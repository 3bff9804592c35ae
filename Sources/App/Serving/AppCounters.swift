import OmniwayTelemetry
import OmniwayTransport

/// What the part of an app on one loop counts. Labels come from the app's own routes and from codes of errors, never
/// from what clients write.
final class AppCounters {
    let sessions: Gauge
    let calls: Gauge
    let exceeded: Counter
    let refused: Counter
    let late: Counter
    let unrouted: Counter
    private let meters: Meters
    private let routes: [String]
    /// Of answers without an error, by route: looked up for every message.
    private let good: [Histogram]
    private var failed: [Failed: Histogram] = [:]

    private struct Failed: Hashable {
        let route: Int
        let code: String
    }

    init(_ meters: Meters, _ table: RouteTable) {
        self.meters = meters
        routes = table.routes.map(\.name)
        sessions = meters.gauge("pitaya_acceptor_connected_clients", "Sessions that are open.")
        calls = meters.gauge("omniway_app_calls", "Handlers that wait for something.")
        exceeded = meters.counter(
            "pitaya_acceptor_exceeded_rate_limiting", "Packets above a client's rate limit.")
        refused = meters.counter("omniway_app_overloaded_total", "Messages refused because too much was under way.")
        late = meters.counter("omniway_app_late_answers_total", "Answers for clients that had gone.")
        unrouted = meters.counter("omniway_app_unrouted_total", "Notifies to routes that lead nowhere.")
        good = routes.map { Self.responseTime(meters, $0, "") }
    }

    private static func responseTime(_ meters: Meters, _ route: String, _ code: String) -> Histogram {
        meters.histogram(
            "omniway_app_response_seconds", "From a message's arrival to its answer.",
            labels: [("route", route), ("status", code.isEmpty ? "ok" : "failed"), ("code", code)])
    }

    func answered(_ route: Int, after time: Duration) { good[route].record(nanoseconds: time.nanoseconds) }

    func failed(_ route: Int, _ code: String, after time: Duration) {
        let isCommon = failed.count < Self.mostCodes || failed[Failed(route: route, code: code)] != nil
        let key = Failed(route: route, code: isCommon ? code : "other")
        if let histogram = failed[key] { return histogram.record(nanoseconds: time.nanoseconds) }
        let histogram = Self.responseTime(meters, routes[route], key.code)
        failed[key] = histogram
        histogram.record(nanoseconds: time.nanoseconds)
    }

    /// An application may make codes as it likes; meters for all of them it cannot.
    private static let mostCodes = 1_000

    func ended(_ reason: CloseReason) {
        meters.counter("omniway_app_closed_total", "Sessions that ended, by reason.", labels: [("reason", reason.name)])
            .add(1)
    }
}
