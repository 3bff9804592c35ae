import OmniwayTelemetry
import OmniwayTransport

/// What the part of a gateway on one loop counts.
final class GatewayCounters {
    let connections: Gauge
    let heldBack: Counter
    private let clients: Side
    private let servers: Side
    private let meters: Meters

    private struct Side {
        let peers: Gauge
        let frames: Counter
        let bytes: Counter

        init(_ side: GatewaySide, _ meters: Meters) {
            let label = [(name: "side", value: side.rawValue)]
            peers = meters.gauge(
                "omniway_gateway_peers", "Physical connections, those included that have not logged in.",
                labels: label)
            frames = meters.counter(
                "omniway_gateway_frames_total", "Frames that came from each side, commands included.", labels: label)
            bytes = meters.counter("omniway_gateway_bytes_total", "The bytes of those frames.", labels: label)
        }
    }

    init(_ meters: Meters) {
        self.meters = meters
        connections = meters.gauge(
            "omniway_gateway_connections", "Virtual connections, counted where their client is.")
        heldBack = meters.counter(
            "omniway_gateway_held_back_total", "Times that a peer was not read until another took more.")
        clients = Side(.client, meters)
        servers = Side(.server, meters)
    }

    private subscript(side: GatewaySide) -> Side { side == .client ? clients : servers }

    func came(_ side: GatewaySide) { self[side].peers.add(1) }

    func received(_ frames: UInt64, _ bytes: Int, from side: GatewaySide) {
        self[side].frames.add(frames)
        self[side].bytes.add(UInt64(bytes))
    }

    func ended(_ side: GatewaySide, _ reason: CloseReason) {
        self[side].peers.add(-1)
        meters.counter(
            "omniway_gateway_closed_total", "Physical connections that ended, by side and reason.",
            labels: [("side", side.rawValue), ("reason", reason.name)]
        ).add(1)
    }

    func refused(_ side: GatewaySide, _ refusal: Refusal) {
        meters.counter(
            "omniway_gateway_refused_dials_total", "Dials that were refused, by the dialler's side and reason.",
            labels: [("side", side.rawValue), ("reason", refusal.rawValue)]
        ).add(1)
    }

    enum Refusal: String {
        case unknown = "unknown-remote"
        case left = "remote-left"
        case tooMany = "too-many-connections"
        case notOpened = "id-not-opened"
    }
}
