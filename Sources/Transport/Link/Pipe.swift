/// One end of a pipe as the other end's loop knows it.
struct PipeEnd: Sendable {
    let mailbox: Mailbox<PipeMail>
    let link: LinkID
}

/// What goes from one end of a pipe to the other, between loops or within one.
enum PipeMail: Sendable {
    /// Somebody dials; the closure makes the far end on the loop that receives this.
    case dial(from: PipeEnd, traits: LinkTraits, accept: @Sendable (Loop, LinkTraits) -> Link?)
    case accepted(to: LinkID, by: PipeEnd)
    case batch(to: LinkID, PipeBatch)
    /// The last batch was read; the next may come.
    case taken(to: LinkID)
    /// Goes on with what was held while reading was paused; an end sends this to itself.
    case goOn(LinkID)
    case closed(to: LinkID, CloseReason)
}

/// Bytes of one turn, with the ends of messages in them.
struct PipeBatch: Sendable {
    var bytes: [UInt8] = []
    var messageEnds: [Int] = []
    var isLast = false

    var isEmpty: Bool { bytes.isEmpty && messageEnds.isEmpty && !isLast }
}

/// A loop's part of all pipes that end on it.
final class PipeHub {
    let mailbox: Mailbox<PipeMail>
    private var drivers: [LinkID: PipeDriver] = [:]
    private var staged: [PipeDriver] = []
    private var stagedCount = 0

    init(mailbox: Mailbox<PipeMail>) { self.mailbox = mailbox }

    /// Who takes dialled pipes, by number.
    private var intakes: [(any LinkIntake)?] = []
    func addIntake(_ intake: any LinkIntake) -> Int {
        let number = intakes.firstIndex { $0 == nil } ?? intakes.count
        if number == intakes.count { intakes.append(nil) }
        intakes[number] = intake
        return number
    }
    func intake(_ number: Int) -> (any LinkIntake)? { number < intakes.count ? intakes[number] : nil }
    func removeIntake(_ number: Int) { if number < intakes.count { intakes[number] = nil } }
    func removeAll() {
        intakes = []
        drivers = [:]
        staged = []
        stagedCount = 0
    }

    func add(_ driver: PipeDriver, for link: Link) { drivers[link.id] = driver }
    func remove(_ link: Link) { drivers[link.id] = nil }
    func hasStaged(_ driver: PipeDriver) {
        staged.append(driver)
        stagedCount += 1
    }

    /// At the end of a turn, when links were flushed: what each end has to say goes out as one batch.
    func handOver() {
        if stagedCount == 0 { return }
        stagedCount = 0
        for driver in exchange(&staged, with: []) { driver.handOver() }
    }

    func take(_ mail: PipeMail, on loop: Loop) {
        switch mail {
        case .dial(let from, let traits, let accept):
            if let link = accept(loop, traits), let driver = drivers[link.id] {
                // First, because the far end may say something, or close, as soon as it is open.
                from.mailbox.post(.accepted(to: from.link, by: PipeEnd(mailbox: mailbox, link: link.id)))
                driver.meet(from, link)
            } else {
                from.mailbox.post(.closed(to: from.link, .refused))
            }
        case .accepted(let id, let end):
            if let link = loop.link(id) {
                drivers[id]?.meet(end, link)
            } else {
                end.mailbox.post(.closed(to: end.link, .done))  // It gave up before it was answered.
            }
        case .batch(let id, let batch): if let link = loop.link(id) { drivers[id]?.receive(batch, link) }
        case .taken(let id): if let link = loop.link(id) { drivers[id]?.peerTook(link) }
        case .goOn(let id): if let link = loop.link(id) { drivers[id]?.deliverRest(link) }
        case .closed(let id, let reason): if let link = loop.link(id) { drivers[id]?.peerClosed(reason, link) }
        }
    }
}

/// One end of a pipe: a link without a network. At most one batch is under way in each direction, so an end holds
/// `window` bytes at most, and the next batch is everything that was written meanwhile.
final class PipeDriver: CountedDriver {
    static let window = 256 << 10

    private let hub: PipeHub
    private var peer: PipeEnd?
    private var staged = PipeBatch()
    private var isStaged = false
    private var isUnderWay = false
    private var incoming = PipeBatch()
    private var delivered = 0
    private var deliveredEnds = 0
    private var owesTaken = false
    private var isReading = true
    private var closedBy: CloseReason?
    private var admission: Admission?

    init(_ hub: PipeHub) { self.hub = hub }

    func meet(_ peer: PipeEnd, _ link: Link) {
        self.peer = peer
        link.opened()
    }

    // MARK: Downwards

    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        guard closedBy == nil else {
            link.loop.pipes.remove(link)
            link.ended(.reset.with("the other end of the pipe was closed"))
            return 0
        }
        let room = max(0, Self.window - staged.bytes.count)
        // Having taken nothing of an empty message would say nothing.
        guard !isUnderWay && room > 0 || endOfMessage && bytes.isEmpty || link.isLeaving else { return 0 }
        if staged.messageEnds.count == PartQueue.most, !link.isLeaving {
            link.close(.slowReader.with("\(PartQueue.most) messages wait in the pipe"))
            return 0
        }
        let count = endOfMessage ? bytes.byteCount : min(bytes.byteCount, room)
        staged.bytes.append(contentsOf: bytes.extracting(first: count))
        if endOfMessage { staged.messageEnds.append(staged.bytes.count) }
        stage()
        return count
    }

    /// Where one direction cannot end alone, the other end closes when it hears this.
    func finish(_ link: Link) {
        staged.isLast = true
        stage()
    }

    private func stage() {
        guard !isStaged else { return }
        isStaged = true
        hub.hasStaged(self)
    }

    func handOver() {
        isStaged = false
        guard let peer, !isUnderWay, !staged.isEmpty else { return }
        isUnderWay = true
        let batch = staged
        staged = PipeBatch()
        peer.mailbox.post(.batch(to: peer.link, batch))
    }

    func peerTook(_ link: Link) {
        isUnderWay = false
        if staged.isEmpty { link.sendable() } else { stage() }
    }

    func hold(_ another: Admission) {
        another.hold(admission)
        admission = another
    }

    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {
        hub.remove(link)
        guard let peer, closedBy == nil else { return }
        if reason.sendsTheRest {
            staged.bytes.append(contentsOf: rest)
            if !staged.isEmpty { peer.mailbox.post(.batch(to: peer.link, staged)) }
        }
        staged = PipeBatch()
        peer.mailbox.post(.closed(to: peer.link, reason))
    }

    // MARK: Upwards

    func receive(_ batch: PipeBatch, _ link: Link) {
        if incoming.isEmpty { incoming = batch } else { incoming.append(batch) }
        owesTaken = true
        deliverRest(link)
    }

    /// Gives the link what has come, as long as it reads.
    func deliverRest(_ link: Link) {
        while isReading, link.state == .open,
            delivered < incoming.bytes.count || deliveredEnds < incoming.messageEnds.count
        {
            let batch = incoming
            let endsMessage = deliveredEnds < batch.messageEnds.count
            let start = delivered
            delivered = endsMessage ? batch.messageEnds[deliveredEnds] : batch.bytes.count
            if endsMessage { deliveredEnds += 1 }
            unsafe batch.bytes.withUnsafeBytes {
                unsafe link.deliver(
                    RawSpan(_unsafeBytes: $0).extracting(unchecked: start..<delivered), endOfMessage: endsMessage)
            }
        }
        guard isReading, link.state == .open else { return }
        let isLast = incoming.isLast
        incoming = PipeBatch()
        (delivered, deliveredEnds) = (0, 0)
        if owesTaken, let peer, closedBy == nil {
            owesTaken = false
            peer.mailbox.post(.taken(to: peer.link))
        }
        if isLast { link.peerFinished() }
        if let closedBy, link.state == .open { tellClosed(closedBy, link) }
    }

    func setReading(_ isReading: Bool, for link: Link) {
        self.isReading = isReading
        if isReading { hub.mailbox.post(.goOn(link.id)) }
    }

    func peerClosed(_ reason: CloseReason, _ link: Link) {
        closedBy = reason
        if link.state == .connecting || !reason.sendsTheRest {
            hub.remove(link)
            link.ended(link.state == .connecting ? reason : .reset.with(reason.description))
        } else {
            deliverRest(link)
        }
    }

    /// Like a socket's: the bytes came first, then the end; whoever writes now learns that nobody reads.
    private func tellClosed(_ reason: CloseReason, _ link: Link) {
        link.peerFinished()
        link.sendable()
    }
}

extension PipeBatch {
    mutating func append(_ other: PipeBatch) {
        let offset = bytes.count
        bytes += other.bytes
        messageEnds += other.messageEnds.map { $0 + offset }
        isLast = isLast || other.isLast
    }
}
