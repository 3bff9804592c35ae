import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A node on its loop: gives the overlay what happens on links, and does what it answers.
final class NodeHost {
    typealias Outcome = Result<[UInt8], MeshFailure>

    let settings: NodeSettings
    let loop: Loop
    let counters: NodeCounters
    /// Who speaks with peers of the original.
    let fallback: PeerNode?
    private let name: String
    private let answering: @Sendable (MeshRequest) -> MeshReply
    private let events: AsyncStream<MeshEvent>.Continuation
    private(set) var overlay: Overlay
    private var random: SeededRandom
    private var address = ""
    /// All links, by number; and those that are used for sending.
    private var links: [UInt64: NodeLink] = [:]
    private var current: [NodeID: UInt64] = [:]
    private var lastNumber: UInt64 = 0
    /// What waits until a node is connected to.
    private var waiting: [NodeID: [MeshMessage]] = [:]
    /// Addresses of nodes to begin with.
    private var seeds: [(address: String, dialer: (any Dialer)?)] = []
    private var promises: [UInt64: Promise<Outcome>] = [:]
    private var happened: [Overlay.Event] = []
    private var isRunning = false
    private var timer: (id: TimerID, at: Duration)?
    /// What tasks wait for that were cancelled.
    private(set) var cancellations: Mailbox<Answer<Outcome>>?
    private var isClosed = false
    private var looksForIdle = false
    /// What is said and heard on the local network.
    var discovery: NodeDiscovery?

    private static let tickToken: UInt64 = 1
    private static let idleToken: UInt64 = 2
    private static let mostSeeds = 64

    init(
        _ name: String, _ settings: NodeSettings, fallback: PeerNode?,
        answering: @escaping @Sendable (MeshRequest) -> MeshReply, events: AsyncStream<MeshEvent>.Continuation,
        on loop: Loop
    ) {
        (self.name, self.settings, self.fallback, self.answering) = (name, settings, fallback, answering)
        (self.events, self.loop) = (events, loop)
        counters = NodeCounters(loop.meters)
        random = SeededRandom(seed: UInt64.random(in: 0 ... .max, using: &loop.random))
        var overlaySettings = settings.overlay
        overlaySettings.listsMembers = settings.listsMembers
        if settings.groupSecret != nil { overlaySettings.signs = false }
        let contact = MeshContact(settings.identity.id, name: name, epoch: settings.epoch)
        overlay = Overlay(
            contact, identity: settings.identity, overlaySettings, at: .nanoseconds(loop.now.nanoseconds),
            random: &random)
        schedule()
        cancellations = loop.mailbox(limit: overlaySettings.mostUnderWay) { [self] in cancel($0) }
    }

    var now: Duration { .nanoseconds(loop.now.nanoseconds) }
    var id: NodeID { overlay.own }
    var contact: MeshContact {
        MeshContact(id, name: name, address: address, epoch: overlay.contact.epoch)
    }
    /// Where it listens; nil while it does not.
    var port: UInt16? { HostPort(address).flatMap { $0.port > 0 ? $0.port : nil } }
    var neighbors: [MeshContact] {
        overlay.membership.active.sorted().map { overlay.contact(of: $0) ?? MeshContact($0) }
    }
    var members: [NodeID] { overlay.members }

    func announce(_ address: String) {
        self.address = address
        overlay.contact.address = address
    }

    // MARK: What the application asks for

    func join(_ address: String, by dialer: (any Dialer)?, _ promise: Promise<NodeID?>) {
        if isClosed { return promise.fulfil(.failure(.closed)) }
        if !seeds.contains(where: { $0.address == address }), seeds.count < Self.mostSeeds {
            seeds.append((address, dialer))
        }
        dial(address, by: dialer, expecting: nil, promise)
    }

    func broadcast(_ bytes: [UInt8], topic: String) throws(MeshFailure) {
        if isClosed { throw .closed }
        perform(try overlay.broadcast(bytes, topic: topic, at: now, random: &random))
        settle()
    }

    /// By hearsay: a link will prove it.
    func found(_ node: NodeID, at address: String) {
        overlay.learn(MeshContact(node, address: address), at: now)
        handle(.found(node))
    }

    func send(_ bytes: [UInt8], to target: Overlay.Target, _ promise: Promise<Outcome>) {
        begin(promise) { (overlay, now, random) throws(MeshFailure) in
            try overlay.send(bytes, to: target, at: now, random: &random)
        }
    }

    func request(
        _ method: String, _ bytes: [UInt8], to target: Overlay.Target, within limit: Duration,
        _ promise: Promise<Outcome>
    ) {
        begin(promise) { (overlay, now, random) throws(MeshFailure) in
            try overlay.request(method, bytes, to: target, within: limit, at: now, random: &random)
        }
    }

    private func begin(
        _ promise: Promise<Outcome>,
        _ body: (inout Overlay, Duration, inout SeededRandom) throws(MeshFailure) -> (
            number: UInt64, actions: [Overlay.Action]
        )
    ) {
        if isClosed { return promise.fulfil(.success(.failure(.closed))) }
        if promise.answer.isFulfilled { return }  // Cancelled on its way here.
        do throws(MeshFailure) {
            let (number, actions) = try body(&overlay, now, &random)
            promises[number] = promise
            perform(actions)
            settle()
        } catch { promise.fulfil(.success(.failure(error))) }
    }

    private func cancel(_ answer: Answer<Outcome>) {
        guard let number = promises.first(where: { $0.value.answer === answer })?.key else { return }
        perform(overlay.cancel(number, at: now))
        settle()
    }

    func answer(_ request: MeshRequest, with reply: MeshReply) {
        perform(overlay.answered(request.number, reply, at: now))
        settle()
    }

    func close() {
        isClosed = true
        for number in links.keys.sorted() { links[number]?.close(.done) }
        if let timer { loop.cancel(timer.id) }
        timer = nil
        promises = [:]  // Dropped, they say that the node was closed.
        if let cancellations { loop.remove(cancellations) }
        cancellations = nil
        events.finish()
        discovery?.stop()
        discovery = nil
    }

    // MARK: The overlay

    func handle(_ event: Overlay.Event) {
        happened.append(event)
        settle()
    }

    /// One event after the other: what one makes happen comes behind it.
    private func settle() {
        if isRunning { return }
        isRunning = true
        while !happened.isEmpty, !isClosed {
            let batch = exchange(&happened, with: [])
            for event in batch { perform(overlay.handle(event, at: now, random: &random)) }
        }
        isRunning = false
        schedule()
    }

    private func perform(_ actions: [Overlay.Action]) {
        for action in actions {
            switch action {
            case .send(let message, let node): send(message, to: node)
            case .drop(let node, let why):
                counters.dropped(why)
                if let number = current[node] { links[number]?.close(why) } else { happened.append(.unlinked(node)) }
            case .tell(let event):
                if case .dropped = events.yield(event) { counters.lostEvents.add(1) }
            case .ask(let request): perform(overlay.answered(request.number, answering(request), at: now))
            case .finished(let number, let outcome): promises.removeValue(forKey: number)?.fulfil(.success(outcome))
            case .findNodes: findNodes()
            }
        }
    }

    private func schedule() {
        if isClosed { return }
        let deadline = max(overlay.deadline, now)
        if let timer {
            if timer.at <= deadline { return }
            loop.cancel(timer.id)
        }
        // The loop's time goes by nanoseconds: never a part of one too early.
        timer = (loop.after(deadline - now + .nanoseconds(1), self, token: Self.tickToken), deadline)
    }

    // MARK: Sending

    private func send(_ message: MeshMessage, to node: NodeID) {
        if let number = current[node], let link = links[number] { return link.send(message) }
        if waiting[node] != nil {
            if waiting[node]?.count ?? 0 < settings.maxWaiting {
                waiting[node]?.append(message)
            } else {
                counters.dropped(.slowConsumer)
            }
            return
        }
        guard let address = overlay.contact(of: node)?.address, !address.isEmpty, links.count < settings.maxLinks else {
            return happened.append(.unreachable(node))
        }
        waiting[node] = [message]
        dial(address, by: nil, expecting: node, nil)
    }

    func frame(_ message: MeshMessage) -> MeshFrame {
        MeshCodec.frame(message) { [self] in $0 == id ? address : overlay.contact(of: $0)?.address ?? "" }
    }

    private func dial(
        _ address: String, by dialer: (any Dialer)?, expecting node: NodeID?, _ promise: Promise<NodeID?>?
    ) {
        let known = dialer ?? seeds.first { $0.address == address }?.dialer ?? settings.dialer(address)
        guard let dialer = known else {
            promise?.fulfil(.failure(.unreachable("'\(address)', which is no address")))
            return unreached(node)
        }
        let link = NodeLink(nextNumber(), of: self, dialling: address, expecting: node, promise)
        guard let below = dialer.dial(on: loop, deadline: settings.dialLimit, handler: link) else {
            promise?.fulfil(.failure(.unreachable("\(address): the loop has no room for another link")))
            return unreached(node)
        }
        links[link.number] = link
        lookForIdle()
        link.meet(below)
    }

    private func unreached(_ node: NodeID?) {
        guard let node else { return }
        waiting[node] = nil
        handle(.unreachable(node))
    }

    private func findNodes() {
        for seed in seeds where links.count < settings.maxLinks {
            guard !links.values.contains(where: { $0.dialled == seed.address }) else { continue }
            dial(seed.address, by: seed.dialer, expecting: nil, nil)
        }
    }

    private func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    // MARK: Links

    /// Both sides have proved who they are. Of two links between the same two nodes one stays, and both sides know
    /// which.
    func opened(_ link: NodeLink, with node: NodeID) {
        if overlay.isBarred(node, at: now) { return link.close(.barred) }
        link.send(.hello(contact))
        if let number = current[node], let other = links[number] {
            guard isBetter(link, than: other) else { return link.leave() }
            other.leave()
        }
        current[node] = link.number
        let messages = waiting.removeValue(forKey: node) ?? []
        happened.append(.linked(node))
        if link.dialled != nil, link.isSeed { happened.append(.found(node)) }
        for message in messages { link.send(message) }
        settle()
    }

    private func isBetter(_ link: NodeLink, than other: NodeLink) -> Bool {
        // Of two that the same node has opened the first one is dead, or it would not have opened another.
        if link.isOurs == other.isOurs { return true }
        guard let node = link.node else { return false }
        return SimultaneousOpen.verdict(own: id, peer: node, openedByUs: link.isOurs) == .keep
    }

    func received(_ message: MeshMessage, _ contacts: [MeshContact], from node: NodeID) {
        for contact in contacts { overlay.learn(contact, at: now) }
        handle(.received(message, from: node))
    }

    /// The other side leaves this link for another, or has no use for it.
    func isLeft(_ link: NodeLink) {
        guard let node = link.node, current[node] == link.number else { return }
        current[node] = links.values.filter { $0.node == node && $0.isOpen && $0 !== link }.map(\.number).min()
        if current[node] == nil { handle(.unlinked(node)) }
    }

    func closed(_ link: NodeLink) {
        links[link.number] = nil
        if let node = link.node {
            isLeft(link)
            if current[node] == link.number { current[node] = nil }
        } else if let node = link.expected, current[node] == nil {
            unreached(node)
        }
    }

    /// The other side is a peer of the original.
    func gaveAway(_ link: NodeLink) {
        links[link.number] = nil
        seeds.removeAll { $0.address == link.dialled }
        if let node = link.expected, current[node] == nil { unreached(node) }
    }

    func congested(_ node: NodeID, _ isCongested: Bool) { handle(.congested(node, isCongested)) }

    var linkCount: Int { links.count }
    var openLinks: [(node: NodeID, link: NodeLink)] {
        current.keys.sorted().compactMap { node in links[current[node] ?? 0].map { (node, $0) } }
    }

    /// As after a power cut: nothing is said any more, and links stay.
    func fallSilent() {
        isClosed = true
        if let timer { loop.cancel(timer.id) }
        timer = nil
    }

    var hasRoom: Bool { !isClosed && links.count < settings.maxLinks }

    private func lookForIdle() {
        if looksForIdle || links.isEmpty { return }
        looksForIdle = true
        loop.after(settings.idleLimit / 3, self, token: Self.idleToken)
    }

    private func closeIdle() {
        let limit = now - settings.idleLimit
        for number in links.keys.sorted() {
            guard let link = links[number], let node = link.node, link.isOpen, link.usedAt < limit else { continue }
            if current[node] != number || !overlay.isNeighbor(node) {
                link.close(.idle)
            }
        }
    }
}

extension NodeHost: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        if isClosed { return }
        if token == Self.idleToken {
            looksForIdle = false
            closeIdle()
            lookForIdle()
        } else {
            timer = nil
            handle(.tick)
        }
    }
}

extension NodeHost: LinkIntake {
    func accept(_ link: Link) -> (any LinkHandler)? {
        guard hasRoom else {
            counters.dropped(.tooMuch)
            return nil
        }
        if link.traits.keepsMessages { return MessageJoining().accept(link, into: self) }
        let accepted = NodeLink(nextNumber(), of: self)
        links[accepted.number] = accepted
        lookForIdle()
        accepted.meet(link)
        return accepted
    }
}
