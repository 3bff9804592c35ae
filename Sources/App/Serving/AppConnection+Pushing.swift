import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What a client gets without having asked.
extension AppConnection {
    func push(_ route: String, _ body: [UInt8]) throws {
        if serving.phase == .working { return try send(.push(plan.dictionary.head(for: route)), body) }
        push(SharedBytes(try plan.push(route, body, compressedBy: link.loop.deflatePool)))
    }

    /// From another server, which does not hear what becomes of it.
    func push(_ push: PomeloProtos.Push) {
        do {
            try self.push(push.route, push.data)
        } catch {
            Log.shared.warning("a push from another server does not fit", ["route": push.route, "error": "\(error)"])
        }
    }

    func push(_ packet: SharedBytes) {
        switch serving.phase {
        case .working: link.write(packet)
        case .closed: shard.counters.late.add(1)
        case .start, .deciding, .greeted:
            guard !early.keep(packet, most: link.limits.most) else { return }
            link.close(.slowReader.with("more was pushed than may wait, and the client is not in yet"))
        }
    }

    func kick(_ reason: CloseReason) {
        guard link.state == .open else { return }
        link.write(plan.kick)
        link.close(reason)
    }
}
