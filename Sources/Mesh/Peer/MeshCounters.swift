import OmniwayTelemetry
import OmniwayWire

/// What a peer counts, on its loop.
final class MeshCounters {
    let received: Counter
    let sent: Counter
    let garbage: Counter
    let failedSessions: Counter
    private let meters: Meters

    init(_ meters: Meters) {
        self.meters = meters
        received = meters.counter("omniway_mesh_received_total", "Messages that came from peers.")
        sent = meters.counter("omniway_mesh_sent_total", "Messages that went to peers.")
        garbage = meters.counter("omniway_mesh_garbage_bytes_total", "Bytes between messages that belong to none.")
        failedSessions = meters.counter(
            "omniway_mesh_failed_sessions_total", "Sessions of ours whose connection ended first.")
    }

    /// A message that was not answered because something is wrong with it.
    func refused(_ why: String) {
        meters.counter(
            "omniway_mesh_refused_total", "Messages that were not answered, by the number of the error.",
            labels: [("error", why)]
        ).add(1)
    }
}
