import CSystem
import OmniwayTelemetry

extension Loop {
    /// What is known anyway, read when somebody asks.
    func readMeters() {
        let label = [(name: "loop", value: "\(index)")]
        meters.read(.counter, "omniway_loop_turns_total", "Turns of the event loops.", labels: label) {
            [unowned self] in
            Double(turns)
        }
        if !clock.isManual {
            meters.read(.counter, "omniway_loop_cpu_seconds_total", "Processor time of the loops.", labels: label) {
                csystem_thread_cpu_seconds()
            }
        }
        meters.read(.counter, "omniway_socket_read_bytes_total", "Bytes read from stream sockets.") { [unowned self] in
            Double(bytesRead)
        }
        meters.read(.counter, "omniway_socket_sent_bytes_total", "Bytes written to stream sockets.") { [unowned self] in
            Double(bytesSent)
        }
        meters.read(.gauge, "omniway_links", "Links that are connecting or open.") { [links] in Double(links.count) }
        meters.read(.gauge, "omniway_loop_tasks", "Async tasks under way.") { [unowned self] in Double(tasks) }
        meters.read(.gauge, "omniway_pool_bytes", "Free bytes that the buffer pools keep.") { [pool] in
            Double(pool.kept)
        }
    }
}
