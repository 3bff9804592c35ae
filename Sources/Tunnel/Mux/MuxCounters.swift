import OmniwayTelemetry

/// What the carriers of one loop count.
struct MuxCounters {
    let opened: Counter
    let refused: Counter
    let resets: Counter
    let dropped: Counter

    init(_ meters: Meters) {
        opened = meters.counter("omniway_tunnel_streams_total", "Streams of carriers that were opened.")
        refused = meters.counter("omniway_tunnel_refused_streams_total", "Streams that nobody here wanted.")
        resets = meters.counter("omniway_tunnel_reset_streams_total", "Streams that a peer broke off.")
        dropped = meters.counter(
            "omniway_tunnel_dropped_datagrams_total", "Datagrams that came while nobody read, or were too large.")
    }
}
