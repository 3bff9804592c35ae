import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Who is told of what happens to a carrier with streams.
protocol MuxOwner: AnyObject {
    /// The peer has opened a stream; nil refuses it.
    func accept(_ stream: Link, on connection: MuxConnection) -> (any LinkHandler)?
    /// Something large has begun on it.
    func becomesBulk(_ connection: MuxConnection)
    /// It takes no new streams, and ends when those that are open have ended.
    func retires(_ connection: MuxConnection)
    func ended(_ connection: MuxConnection, _ reason: CloseReason)
}

/// One carrier link and the streams on it: the handler of the one, and below each of them a `MuxStream`.
final class MuxConnection: LinkHandler {
    /// Encrypted and plain bytes wait in queues this long; what waits above them is sent in turn.
    static let window = 128 << 10
    static let queue = QueueLimits(
        low: window / 2, high: window, most: 16 << 20, unread: MuxReader.mostUnread + MuxFrame.controlSize)

    let loop: Loop
    private(set) var carrier: Link?
    private(set) var mux: Mux
    private var reader = MuxReader()
    private var scheduler = MuxScheduler()
    private var streams: [MuxStream?] = []
    /// Whose it is; another's when a command connection was replaced.
    var owner: (any MuxOwner)?
    private var isWaking = false
    private var lastGivenBack: Moment
    private var bulkUntil = Moment(nanoseconds: .min)
    private var isRetiring = false
    private let counters: MuxCounters

    /// The carrier is open; from here on it is this connection's.
    init(
        _ side: Mux.Side, over carrier: Link, budget: MuxBudget, limits: Mux.Limits, owner: any MuxOwner
    ) {
        loop = carrier.loop
        self.carrier = carrier
        self.owner = owner
        lastGivenBack = loop.now
        counters = MuxCounters(loop.meters)
        mux = Mux(side, at: loop.now.sinceStart, budget: budget, limits: limits)
    }

    var frameFormat: FrameFormat? { .mux }

    /// Begins to listen, and to watch whether the peer lives.
    func start() {
        guard let carrier else { return }
        carrier.limits = Self.queue
        carrier.handler = self
        watch()
    }

    /// Bytes that are on their way, or wait for it. The least loaded connection gets the next stream.
    var load: Int { mux.unconfirmed + (carrier?.queued ?? 0) }
    var mayOpen: Bool { carrier?.state == .open && !isRetiring && mux.mayOpen }

    /// Something large is on it, or was a moment ago.
    var isBulk: Bool { loop.now < bulkUntil }
    private static let bulkTime = Duration.seconds(5)

    // MARK: Opening

    /// Opens a stream, which can be written at once: what waits in its link goes out with the frame that opens it.
    /// False when the carrier takes no more.
    func open(_ stream: MuxStream) -> Bool {
        guard mayOpen, let opened = mux.open(isFlow: stream.isFlow, at: loop.now.sinceStart) else { return false }
        add(stream, opened.slot)
        counters.opened.add(1)
        control(opened.frame)
        announce()
        stream.opensSoon(on: self)
        return true
    }

    private func add(_ stream: MuxStream, _ slot: Int) {
        stream.slot = slot
        if slot == streams.count { streams.append(stream) } else { streams[slot] = stream }
    }

    private func accept(_ slot: Int, isFlow: Bool) {
        let stream = MuxStream(on: loop, isFlow: isFlow)
        stream.connection = self
        add(stream, slot)
        let link = stream.makeLink(over: carrier, MuxStream.queue(isFlow: isFlow), nobody)
        guard let link, let handler = owner?.accept(link, on: self) else {
            counters.refused.add(1)
            stream.reset(link == nil ? .busy : .refused)
            link?.close(.refused)
            return
        }
        counters.opened.add(1)
        link.handler = handler
        link.opened()
    }
    private let nobody = Nobody()

    // MARK: The carrier

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from carrier: Link) -> Int {
        mux.heard(at: loop.now.sinceStart)
        var offset = 0
        do throws(MuxError) {
            while let event = try reader.next(in: bytes, from: &offset) {
                try take(mux.receive(event, at: loop.now.sinceStart), bytes)
                if self.carrier == nil { return bytes.byteCount }
            }
        } catch {
            carrier.close(.protocolError.with(error.description))
            return bytes.byteCount
        }
        announce()
        return offset
    }

    private func take(_ action: Mux.Action, _ bytes: RawSpan) throws(MuxError) {
        switch action {
        case .none, .measured: break
        case .deliver(let slot, let range, let ends): streams[slot]?.deliver(bytes.extracting(range), ends: ends)
        case .datagram(let slot, let range):
            if streams[slot]?.deliverDatagram(bytes.extracting(range)) != true { counters.dropped.add(1) }
        case .accept(let slot, let isFlow): accept(slot, isFlow: isFlow)
        case .mayWrite(let slot): streams[slot]?.goOn()
        case .answer(let frame): control(frame)
        case .goAway: retire()
        case .reset(let slot, let code):
            counters.resets.add(1)
            let stream = streams[slot]
            streams[slot] = nil
            stream?.wasReset(MuxResetCode(rawValue: code) ?? .broken)
            retireIfDone()
        }
    }

    func writable(_ carrier: Link) { giveTurns() }

    func finished(_ carrier: Link) { carrier.close(.finished) }

    func closed(_ carrier: Link, _ reason: CloseReason) {
        self.carrier = nil
        let ended = streams
        streams = []
        mux.endAll()
        for stream in ended { stream?.carrierEnded(reason) }
        exchange(&owner, with: nil)?.ended(self, reason)
    }

    /// What does not count as bytes of streams goes before them.
    func control(_ frame: InlineArray16) {
        carrier?.write(unsafe frame.span.bytes)  // Safe because bytes have no padding.
    }

    private func announce() { if let frame = mux.newFirstWindow() { control(frame) } }

    // MARK: Retiring

    /// Opens and takes no more streams, and ends with the last of them.
    func goAway() {
        guard carrier != nil, !isRetiring else { return }
        control(mux.goAway(0))
        retire()
    }

    private func retire() {
        guard !isRetiring else { return }
        isRetiring = true
        owner?.retires(self)
        retireIfDone()
    }

    private func retireIfDone() {
        if mux.streamCount > 0 { return }
        if isRetiring { carrier?.close(.done) } else if mux.isRetired { goAway() }
    }

    // MARK: For streams

    func read(_ count: Int, of slot: Int) {
        if let frame = mux.read(count, of: slot, at: loop.now.sinceStart) { control(frame) }
        noteBulk(slot)
    }

    private func noteBulk(_ slot: Int) {
        guard mux.isBulk(slot) else { return }
        let wasBulk = isBulk
        bulkUntil = loop.now + Self.bulkTime
        if !wasBulk { owner?.becomesBulk(self) }
    }

    func credit(of slot: Int) -> Int { mux.credit(of: slot) }
    func granted(to slot: Int) -> Int { mux.granted(to: slot) }

    /// Others wait for their turn, or the carrier takes no more.
    var isBusy: Bool { !scheduler.isEmpty || carrier?.isFull ?? true }

    /// With nobody else waiting frames are longer; with others they are as long as a turn, and a record of TLS.
    private var mostPayload: Int {
        scheduler.isEmpty ? MuxInflow.first : MuxScheduler.quantum - MuxFrame.headerSize
    }

    /// Sends as much as there is credit, room and leave for; how many bytes that was.
    func send(_ bytes: RawSpan, of slot: Int, most: Int) -> Int {
        guard let carrier else { return 0 }
        var sent = 0
        let limit = min(bytes.byteCount, most, mux.credit(of: slot))
        while sent < limit {
            let count = min(limit - sent, mostPayload)
            let header = MuxFrame.header(.data, stream: mux.id(of: slot), length: count)
            mux.sent(count, of: slot, at: loop.now.sinceStart)
            // Safe because bytes have no padding.
            carrier.pass(unsafe header.span.bytes, bytes.extracting(sent..<sent + count))
            sent += count
            if self.carrier == nil { return sent }
            if carrier.isFull { break }
        }
        noteBulk(slot)
        return sent
    }

    /// False when the carrier is full.
    func sendDatagram(_ bytes: RawSpan, of slot: Int) -> Bool {
        guard let carrier, !carrier.isFull else { return false }
        let header = MuxFrame.header(.datagram, stream: mux.id(of: slot), length: bytes.byteCount)
        carrier.write(unsafe header.span.bytes, bytes)  // Safe because bytes have no padding.
        return true
    }

    func sendEnd(of slot: Int) {
        let header = MuxFrame.header(.data, .fin, stream: mux.id(of: slot), length: 0)
        carrier?.write(unsafe header.span.bytes)  // Safe because bytes have no padding.
        mux.finished(slot)
    }

    func isDone(_ slot: Int) -> Bool { mux.isDone(slot) }

    func reset(_ slot: Int, _ code: MuxResetCode) {
        control(MuxFrame.control(.reset, stream: mux.id(of: slot), number: code.rawValue))
        remove(slot)
    }

    func remove(_ slot: Int) {
        mux.remove(slot)
        streams[slot] = nil
        announce()
        retireIfDone()
    }

    func wait(_ stream: MuxStream, queued: Int) {
        guard !stream.isWaiting else { return }
        stream.isWaiting = true
        scheduler.wait(stream.slot, queued: queued)
        if carrier?.isFull == false { wake() }
    }

    /// As many turns as the carrier has room for. Whoever sends less than was thought leaves the rest to the next turn
    /// of the loop.
    private func giveTurns() {
        guard let carrier else { return }
        var room = Self.window - carrier.queued
        while room > 0, !carrier.isFull, let slot = scheduler.next() {
            guard let stream = streams[slot], stream.isWaiting else { continue }
            stream.isWaiting = false
            let turn = scheduler.isEmpty ? room : MuxScheduler.quantum - MuxFrame.headerSize
            room -= stream.takeTurn(turn) + MuxFrame.headerSize
        }
        if !scheduler.isEmpty, self.carrier?.isFull == false { wake() }
    }

    private func wake() {
        guard !isWaking else { return }
        isWaking = true
        loop.after(.zero, self, token: Self.wakeToken)
    }
    private static let wakeToken: UInt64 = 1

    // MARK: Time

    private func watch() {
        while carrier != nil {
            switch mux.step(at: loop.now.sinceStart) {
            case .ping(let number): control(MuxFrame.control(.ping, number: number))
            case .dead:
                carrier?.close(.peerLost.with("it did not answer for \(MuxLiveness.patience)"))
                return
            case .wait(let moment):
                loop.after(moment - loop.now.sinceStart, self)
                return
            }
        }
    }

    private func giveBack() {
        guard loop.now - lastGivenBack >= MuxInflow.restLimit else { return }
        lastGivenBack = loop.now
        mux.giveBack(at: loop.now.sinceStart) { frame in control(frame) }
    }
}

extension MuxConnection: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard carrier != nil else { return }
        if token == Self.wakeToken {
            isWaking = false
            if carrier?.isFull == false { giveTurns() }
        } else {
            giveBack()
            watch()
        }
    }
}

extension Moment {
    /// The machines of Wire count time from any moment that stays the same.
    var sinceStart: Duration { .nanoseconds(nanoseconds) }
}

/// The handler of a link until somebody has given it one.
final class Nobody: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}
