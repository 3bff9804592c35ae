import OmniwayTelemetry

/// What a loop's ports have done.
final class BusCounters {
    let published, received, dropped, late, duplicates, connections, losses: Counter
    let slowConsumers, refusals: Counter
    let answered, noResponders, timedOut, failed: Counter
    let open, subscriptions, requests, pending: Gauge

    init(_ meters: Meters) {
        func request(_ outcome: String) -> Counter {
            meters.counter(
                "omniway_bus_requests_total", "Requests over the bus that ended, by outcome.",
                labels: [("outcome", outcome)])
        }
        published = meters.counter("omniway_bus_published_total", "Messages given to the bus.")
        received = meters.counter("omniway_bus_received_total", "Messages that came from the bus.")
        dropped = meters.counter(
            "omniway_bus_dropped_total", "Messages dropped because too many waited for a subscription or a loop.")
        late = meters.counter(
            "omniway_bus_late_total", "Answers nobody waited for any more, and messages of cancelled subscriptions.")
        duplicates = meters.counter(
            "omniway_bus_duplicates_total", "Requests that came once more while moving to another server.")
        connections = meters.counter("omniway_bus_connections_total", "Connections to a server of the bus.")
        losses = meters.counter("omniway_bus_losses_total", "Connections to a server of the bus that were lost.")
        slowConsumers = meters.counter(
            "omniway_bus_slow_consumers_total", "How often a server said that it was not read fast enough.")
        refusals = meters.counter(
            "omniway_bus_refusals_total", "What a server has refused: subjects without permission, logins.")
        answered = request("answered")
        noResponders = request("no-responders")
        timedOut = request("timed-out")
        failed = request("failed")
        open = meters.gauge("omniway_bus_open", "Ports that have their bus; below the number of loops it is degraded.")
        subscriptions = meters.gauge("omniway_bus_subscriptions", "Subscriptions of this process.")
        requests = meters.gauge("omniway_bus_requests", "Requests that wait for an answer.")
        pending = meters.gauge("omniway_bus_pending", "Messages that wait for subscriptions that are paused.")
    }
}
