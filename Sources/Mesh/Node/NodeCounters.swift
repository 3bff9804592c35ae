import OmniwayTelemetry
import OmniwayWire

/// What a node counts, on its loop.
final class NodeCounters {
    let received: Counter
    let sent: Counter
    let lostEvents: Counter
    let failedHandshakes: Counter
    private let meters: Meters

    init(_ meters: Meters) {
        self.meters = meters
        received = meters.counter("omniway_mesh_frames_received_total", "Frames that came from nodes.")
        sent = meters.counter("omniway_mesh_frames_sent_total", "Frames that went to nodes.")
        lostEvents = meters.counter(
            "omniway_mesh_lost_events_total", "Events that the application has not taken in time.")
        failedHandshakes = meters.counter(
            "omniway_mesh_failed_handshakes_total", "Links whose other side has not proved who it is.")
    }

    /// A link, or a message for one, that was given up.
    func dropped(_ why: MeshClosing) {
        meters.counter(
            "omniway_mesh_dropped_total", "Links and messages that were given up, and why.",
            labels: [("reason", "\(why)")]
        ).add(1)
    }
}
