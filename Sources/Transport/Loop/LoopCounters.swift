import OmniwayTelemetry

/// What every loop counts about itself and its links.
struct LoopCounters {
    let lag: Histogram
    let busy: Histogram
    let openedLinks: Counter
    let refusedLinks: Counter
    let datagramsRead: Counter
    let lateWrites: Counter
    let droppedMessages: Counter
    private let meters: Meters

    init(_ meters: Meters) {
        self.meters = meters
        lag = meters.histogram("omniway_loop_lag_seconds", "How late timers fired.")
        busy = meters.histogram("omniway_loop_busy_seconds", "How long turns took once they had something to do.")
        openedLinks = meters.counter("omniway_links_opened_total", "Links that were made, connecting ones included.")
        refusedLinks = meters.counter("omniway_links_refused_total", "Links for which a loop had no slot.")
        datagramsRead = meters.counter("omniway_datagrams_read_total", "Datagrams read.")
        lateWrites = meters.counter("omniway_late_writes_total", "Writes to links that were closed or finished.")
        droppedMessages = meters.counter(
            "omniway_dropped_messages_total", "Messages that did not fit the queue of an unreliable link.")
    }

    func refusedConnection(_ reason: CloseReason) {
        meters.counter(
            "omniway_connections_refused_total", "Connections that were accepted and dropped at once, by reason.",
            labels: [("reason", reason.name)]
        ).add(1)
    }

    func closed(_ reason: CloseReason) {
        meters.counter("omniway_links_closed_total", "Links that ended, by reason.", labels: [("reason", reason.name)])
            .add(1)
    }
}
