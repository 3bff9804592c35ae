/// Messages and requests to one node: over the link to it, over a new one, or along the way on which its messages to
/// everybody have come. They are sent again until they are answered, and done once.
extension Overlay {
    /// Whom a message is for: a node, or whoever is called that.
    package enum Target: Hashable, Sendable { case node(NodeID), name(String) }

    /// A message to one node. Ends by `.finished` with this number when the node has it.
    package mutating func send(
        _ bytes: [UInt8], to target: Target, at now: Duration, random: inout SeededRandom
    ) throws(MeshFailure) -> (number: UInt64, actions: [Action]) {
        try begin(.message(bytes), target, bytes.count, settings.retries.reduce(.zero, +), now, &random)
    }

    /// A request to one node. Ends by `.finished` with this number and the answer.
    package mutating func request(
        _ method: String, _ bytes: [UInt8], to target: Target, within limit: Duration, at now: Duration,
        random: inout SeededRandom
    ) throws(MeshFailure) -> (number: UInt64, actions: [Action]) {
        guard method.utf8.count <= MeshContact.longest else {
            throw .tooLarge(bytes: method.utf8.count, limit: MeshContact.longest)
        }
        return try begin(.request(method: method, bytes), target, bytes.count, limit, now, &random)
    }

    private mutating func begin(
        _ content: Outgoing.Content, _ target: Target, _ size: Int, _ limit: Duration, _ now: Duration,
        _ random: inout SeededRandom
    ) throws(MeshFailure) -> (number: UInt64, actions: [Action]) {
        guard size <= Self.largest else { throw .tooLarge(bytes: size, limit: Self.largest) }
        guard outgoing.count < settings.mostUnderWay else { throw .overloaded(outgoing.count) }
        if target == .node(own) || target == .name(contact.name) { throw .notFound("this node itself") }
        let number = nextSequence()
        outgoing[number] = Outgoing(target: target, content: content, endsAt: now + limit, nextAt: now)
        var actions: [Action] = []
        retry(number, now, &random, &actions)
        return (number, actions)
    }

    private mutating func nextSequence() -> UInt64 {
        lastSequence += 1
        return lastSequence
    }

    // MARK: Sending, and sending again

    mutating func retry(
        _ number: UInt64, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        guard var message = outgoing[number] else { return }
        let wait = settings.retries[min(message.attempt, settings.retries.count - 1)]
        if now >= message.endsAt {
            outgoing[number] = nil
            let isFound = message.node != nil
            var failure = MeshFailure.timedOut
            if case .name(let name) = message.target, !isFound { failure = .notFound(name) }
            return actions.append(.finished(number, .failure(failure)))
        }
        let pause = message.isAcknowledged ? settings.answerPatience : wait
        message.nextAt = min(message.endsAt, now + random.around(pause))
        if message.attempt > 0 { counts.sentAgain += 1 }
        message.attempt += 1
        outgoing[number] = message
        timers.insert(number, at: message.nextAt)
        dispatch(number, now, &random, &actions)
    }

    private mutating func dispatch(
        _ number: UInt64, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        guard var message = outgoing[number] else { return }
        if message.node == nil {
            switch message.target {
            case .node(let node): message.node = node
            case .name(let name): message.node = routes.holder(of: name)
            }
        }
        guard let node = message.node else { return find(message.target, now, &random, &actions) }
        if message.epoch == 0 { message.epoch = routes.epoch(of: node) }
        outgoing[number] = message
        let kind: MeshPacket.Kind
        switch message.content {
        case .message(let bytes): kind = .message(bytes)
        case .request(let method, let bytes): kind = .request(method: method, bytes, deadline: message.endsAt - now)
        }
        let packet = packet(kind, number, to: node, message.epoch)
        if !pass(packet, now, &actions) { find(.node(node), now, &random, &actions) }
    }

    /// There is no connecting to it: another way is tried at once.
    mutating func sendAgain(
        to node: NodeID, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        for number in outgoing.filter({ $0.value.node == node }).keys.sorted() {
            dispatch(number, now, &random, &actions)
        }
    }

    private func packet(
        _ kind: MeshPacket.Kind, _ sequence: UInt64, to node: NodeID, _ epoch: UInt64
    ) -> MeshPacket {
        MeshPacket(
            source: own, epoch: contact.epoch, sequence: sequence, destination: node, destinationEpoch: epoch,
            hops: settings.hops, kind: kind)
    }

    /// One step on its way; false when the way is not known.
    private mutating func pass(_ packet: MeshPacket, _ now: Duration, _ actions: inout [Action]) -> Bool {
        let node = packet.destination
        var packet = packet
        if isLinked(node) || (packet.source == own && settings.dials && routes.isDialable(node, at: now)) {
            actions.append(.send(.packet(packet), to: node))
            return true
        }
        guard let next = routes.via(node, at: now), isLinked(next), next != packet.source else { return false }
        if packet.source == own, let identity {
            packet.signature = identity.signature(of: MeshCodec.signed(packet))
        }
        actions.append(.send(.packet(packet), to: next))
        return true
    }

    private func isLinked(_ node: NodeID) -> Bool { links.contains(node) || membership.active.contains(node) }

    // MARK: Looking for nodes

    private mutating func find(
        _ target: Target, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        if let since = findings[target], now - since < settings.findInterval { return }
        if findings.count >= settings.mostUnderWay { findings = [:] }
        findings[target] = now
        counts.finds += 1
        switch target {
        case .node(let node): broadcast(.find(node), now, &random, &actions)
        case .name(let name): broadcast(.findName(name), now, &random, &actions)
        }
    }

    mutating func sendHere(to node: NodeID, _ epoch: UInt64, _ now: Duration, _ actions: inout [Action]) {
        say(.here(contact), to: node, epoch, now, &actions)
    }

    // MARK: Receiving

    mutating func receive(
        _ packet: MeshPacket, _ neighbor: NodeID, _ now: Duration, _ random: inout SeededRandom,
        _ actions: inout [Action]
    ) {
        guard packet.source != own else { return }
        let isDirect = packet.source == neighbor
        if packet.destination != own { return passOn(packet, neighbor, now, &actions) }
        if !isDirect, identity != nil {
            guard packet.source.verifies(packet.signature, of: MeshCodec.signed(packet)) else {
                // Whoever passed it on could not check it for nothing; the fault may be anybody's.
                return counts.invalidSignatures += 1
            }
        }
        if !isDirect { routes.learn(packet.source, epoch: packet.epoch, via: neighbor, at: now) }
        switch packet.kind {
        case .message, .request: receive(toDo: packet, now, &actions)
        case .cancelled(let number): cancelled(number, by: packet, now, &actions)
        case .answer(let number, let status, let bytes): answered(number, packet.source, status, bytes, &actions)
        case .acknowledged(let number): acknowledged(number, packet.source, &actions)
        case .restarted(let number, let epoch): restarted(number, packet.source, epoch, now, &random, &actions)
        case .noRoute(let number, let node):
            guard outgoing[number]?.node == node else { return }
            routes.forgetWay(to: node)
            find(.node(node), now, &random, &actions)
        case .here(let contact):
            guard contact.id == packet.source else { return }
            routes.learn(contact, isProved: true, at: now)
            found(contact, now, &random, &actions)
        }
    }

    private mutating func passOn(
        _ packet: MeshPacket, _ neighbor: NodeID, _ now: Duration, _ actions: inout [Action]
    ) {
        routes.learn(packet.source, epoch: 0, via: neighbor, at: now)
        counts.passedOn += 1
        var next = packet
        if packet.hops > 0 {
            next.hops -= 1
            if pass(next, now, &actions) { return }
        }
        counts.noRoute += 1
        if case .noRoute = packet.kind { return }
        let kind = MeshPacket.Kind.noRoute(packet.sequence, to: packet.destination)
        _ = pass(self.packet(kind, nextSequence(), to: packet.source, packet.epoch), now, &actions)
    }

    /// Those that have waited for it go out.
    private mutating func found(
        _ contact: MeshContact, _ now: Duration, _ random: inout SeededRandom, _ actions: inout [Action]
    ) {
        findings[.node(contact.id)] = nil
        findings[.name(contact.name)] = nil
        for number in outgoing.keys.sorted() {
            guard let message = outgoing[number], !message.isAcknowledged else { continue }
            let isMeant = message.node == contact.id || (message.node == nil && message.target == .name(contact.name))
            if isMeant { dispatch(number, now, &random, &actions) }
        }
    }

    // MARK: What others ask for

    private mutating func receive(toDo packet: MeshPacket, _ now: Duration, _ actions: inout [Action]) {
        let (source, epoch, sequence) = (packet.source, packet.epoch, packet.sequence)
        guard packet.destinationEpoch == contact.epoch else {
            return reply(.restarted(sequence, epoch: contact.epoch), to: packet, now, &actions)
        }
        switch (inbox.receive(sequence, of: source, epoch: epoch, at: now), packet.kind) {
        case (.new, .message(let bytes)):
            actions.append(.tell(.message(bytes, from: source)))
            reply(.acknowledged(sequence), to: packet, now, &actions)
        case (.new, .request(_, _, let deadline)) where deadline <= .zero: break  // Nobody waits for it any more.
        case (.new, .request(let method, let bytes, let deadline)):
            guard asked.count < settings.mostUnderWay else {
                inbox.answer(sequence, of: source, epoch: epoch, .overloaded, [], at: now)
                return reply(.answer(to: sequence, .overloaded, []), to: packet, now, &actions)
            }
            lastAsked += 1
            asked[lastAsked] = (source, epoch, sequence, now + deadline)
            actions.append(
                .ask(
                    MeshRequest(
                        source: source, method: method, bytes: bytes, deadline: deadline, number: lastAsked)))
        case (.repeated, _):
            counts.repeated += 1
            let isUnderWay = asked.values.contains { $0.source == source && $0.sequence == sequence }
            if case .request = packet.kind, !isUnderWay {
                return reply(.answer(to: sequence, .forgotten, []), to: packet, now, &actions)
            }
            reply(.acknowledged(sequence), to: packet, now, &actions)
        case (.answered(let status, let bytes), _):
            counts.repeated += 1
            reply(.answer(to: sequence, status, bytes), to: packet, now, &actions)
        case (.forgotten, _): reply(.answer(to: sequence, .forgotten, []), to: packet, now, &actions)
        case (.full, _): reply(.answer(to: sequence, .overloaded, []), to: packet, now, &actions)
        case (.stale, _), (.new, _): break
        }
    }

    private mutating func reply(
        _ kind: MeshPacket.Kind, to packet: MeshPacket, _ now: Duration, _ actions: inout [Action]
    ) { say(kind, to: packet.source, packet.epoch, now, &actions) }

    /// Once: whoever gets it does not acknowledge it.
    mutating func say(
        _ kind: MeshPacket.Kind, to node: NodeID, _ epoch: UInt64, _ now: Duration, _ actions: inout [Action]
    ) {
        if !pass(packet(kind, nextSequence(), to: node, epoch), now, &actions) { counts.noRoute += 1 }
    }

    /// What the application makes of a request.
    package mutating func answered(_ number: UInt64, _ reply: MeshReply, at now: Duration) -> [Action] {
        guard let request = asked[number] else { return [] }
        let answer: (status: MeshStatus, bytes: [UInt8])
        switch reply {
        case .bytes(let bytes) where bytes.count <= Self.largest: answer = (.ok, bytes)
        case .bytes(let bytes): answer = (.failed, Array("an answer of \(bytes.count) bytes is too large".utf8))
        case .failed(let text): answer = (.failed, Array(text.utf8.prefix(1024)))
        case .unknownMethod: answer = (.unknownMethod, [])
        case .later:
            var actions: [Action] = []
            say(.acknowledged(request.sequence), to: request.source, request.epoch, now, &actions)
            return actions
        }
        asked[number] = nil
        inbox.answer(
            request.sequence, of: request.source, epoch: request.epoch, answer.status, answer.bytes, at: now)
        var actions: [Action] = []
        let kind = MeshPacket.Kind.answer(to: request.sequence, answer.status, answer.bytes)
        say(kind, to: request.source, request.epoch, now, &actions)
        return actions
    }

    // MARK: What becomes of our own

    private mutating func answered(
        _ number: UInt64, _ node: NodeID, _ status: MeshStatus, _ bytes: [UInt8], _ actions: inout [Action]
    ) {
        guard outgoing[number]?.node == node else { return }
        outgoing[number] = nil
        switch status {
        case .ok: actions.append(.finished(number, .success(bytes)))
        case .forgotten: actions.append(.finished(number, .failure(.forgotten)))
        case .failed, .unknownMethod, .overloaded:
            let text = String(decoding: bytes, as: UTF8.self)
            actions.append(.finished(number, .failure(.refused(status, text))))
        }
    }

    private mutating func acknowledged(_ number: UInt64, _ node: NodeID, _ actions: inout [Action]) {
        guard let message = outgoing[number], message.node == node else { return }
        switch message.content {
        case .message:
            outgoing[number] = nil
            actions.append(.finished(number, .success([])))
        case .request: outgoing[number]?.isAcknowledged = true
        }
    }

    /// What nobody can have done yet is sent to the start that runs. Otherwise nobody knows whether it was done.
    private mutating func restarted(
        _ number: UInt64, _ node: NodeID, _ epoch: UInt64, _ now: Duration, _ random: inout SeededRandom,
        _ actions: inout [Action]
    ) {
        guard let message = outgoing[number], message.node == node, message.epoch != epoch else { return }
        routes.learn(MeshContact(node, epoch: epoch), isProved: true, at: now)
        if message.epoch == 0 {
            outgoing[number]?.epoch = epoch
            dispatch(number, now, &random, &actions)
        } else {
            outgoing[number] = nil
            actions.append(.finished(number, .failure(.restarted)))
        }
    }
}
