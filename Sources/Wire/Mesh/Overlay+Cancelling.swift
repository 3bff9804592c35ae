/// Requests that nobody waits for any more: they stop costing anything, on both sides.
extension Overlay {
    /// Gives up a message or a request of this node. Who was asked is told once; if that is lost, its deadline does it.
    package mutating func cancel(_ number: UInt64, at now: Duration) -> [Action] {
        guard let message = outgoing.removeValue(forKey: number) else { return [] }
        var actions: [Action] = [.finished(number, .failure(.cancelled))]
        if case .request = message.content, let node = message.node {
            say(.cancelled(number), to: node, message.epoch, now, &actions)
        }
        return actions
    }

    /// The source of a request has given it up.
    mutating func cancelled(
        _ sequence: UInt64, by packet: MeshPacket, _ now: Duration, _ actions: inout [Action]
    ) {
        guard packet.destinationEpoch == contact.epoch else { return }
        // A request that has been overtaken by its own end is not begun when it comes.
        _ = inbox.receive(sequence, of: packet.source, epoch: packet.epoch, at: now)
        let request = asked.first { _, one in
            one.source == packet.source && one.epoch == packet.epoch && one.sequence == sequence
        }
        if let request { abandon(request.key, &actions) }
    }

    /// Those whose deadlines have passed: who has asked does not wait any more.
    mutating func abandonLate(_ now: Duration, _ actions: inout [Action]) {
        for number in asked.filter({ $0.value.endsAt <= now }).keys.sorted() { abandon(number, &actions) }
    }

    private mutating func abandon(_ number: UInt64, _ actions: inout [Action]) {
        guard let request = asked.removeValue(forKey: number) else { return }
        actions.append(.tell(.abandoned(number, from: request.source)))
    }
}
