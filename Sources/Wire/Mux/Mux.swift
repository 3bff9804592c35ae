/// The streams of one carrier: which are open, what each may send, and what becomes of the frames that arrive.
/// Streams are known by slots, which are used again; their ids are not. Whoever runs it moves the bytes.
package struct Mux {
    package enum Side: Sendable { case dialed, accepted }

    package struct Limits: Sendable {
        /// Streams at once, those of both sides together.
        package var streams = 4096
        /// The last id that this side uses; then the carrier is replaced by another.
        package var lastID = MuxFrame.lastID
        package init() {}
    }

    package enum Action: Equatable {
        case none
        /// Bytes of a stream, as a range of what was read; `ends` after its last.
        case deliver(Int, Range<Int>, ends: Bool)
        /// A whole datagram of a flow.
        case datagram(Int, Range<Int>)
        /// The peer has opened a stream, or a flow of datagrams.
        case accept(Int, isFlow: Bool)
        /// The stream has got credit.
        case mayWrite(Int)
        /// The peer has ended the stream at once. It is gone.
        case reset(Int, UInt64)
        /// To be sent to the peer.
        case answer(InlineArray16)
        /// What was sent before has arrived; the round trip is known.
        case measured
        /// The peer takes no more streams.
        case goAway(UInt64)

        package static func == (a: Action, b: Action) -> Bool {
            switch (a, b) {
            case (.none, .none), (.measured, .measured): true
            case (.deliver(let a, let range, let ends), .deliver(let b, let other, let otherEnds)):
                a == b && range == other && ends == otherEnds
            case (.datagram(let a, let range), .datagram(let b, let other)): a == b && range == other
            case (.accept(let a, let isFlow), .accept(let b, let other)): a == b && isFlow == other
            case (.mayWrite(let a), .mayWrite(let b)): a == b
            case (.reset(let a, let code), .reset(let b, let other)): a == b && code == other
            case (.goAway(let a), .goAway(let b)): a == b
            case (.answer(let a), .answer(let b)): a.indices.allSatisfy { a[$0] == b[$0] }
            default: false
            }
        }
    }

    private struct Stream {
        /// Zero when nobody lives here.
        var id: UInt32 = 0
        var inflow: MuxInflow
        var outflow: MuxOutflow
        var isFlow = false
        var sentEnd = false
        var heardEnd = false
        /// Bytes both ways; see `bulkMark`.
        var moved = 0
    }

    /// A stream that has moved so much makes its carrier one for bulk.
    package static let bulkMark = 1 << 20

    private let budget: MuxBudget
    private let limits: Limits
    private var streams: [Stream] = []
    private var free: [Int] = []
    private var table = MuxStreamTable()
    private var nextID: UInt32
    /// The last that the peer has opened.
    private var lastHeardID: UInt32 = 0
    private var heardGoAway = false
    private var saidGoAway = false
    /// What the peer lets new streams take, and what it was told that its own may.
    private var theirFirst = MuxInflow.first
    private var toldFirst = MuxInflow.first
    package private(set) var liveness: MuxLiveness
    /// Sent and not known to have been read, of all streams.
    package private(set) var unconfirmed = 0

    package init(_ side: Side, at now: Duration, budget: MuxBudget, limits: Limits = Limits()) {
        (self.budget, self.limits) = (budget, limits)
        nextID = side == .dialed ? 1 : 2
        liveness = MuxLiveness(at: now)
    }

    package var streamCount: Int { table.count }

    /// False when the peer takes no more, all ids are used, or the limits are met.
    package var mayOpen: Bool {
        !heardGoAway && !saidGoAway && nextID <= limits.lastID && streamCount < limits.streams
            && budget.room >= MuxInflow.least
    }

    /// Nothing goes on, and nothing will: the carrier has no more use.
    package var isRetired: Bool { streamCount == 0 && (heardGoAway || saidGoAway || nextID > limits.lastID) }

    // MARK: This end

    /// A new stream and the frame that says so; nil when there can be none.
    package mutating func open(isFlow: Bool = false, at now: Duration) -> (slot: Int, frame: InlineArray16)? {
        guard mayOpen else { return nil }
        let giving = isFlow ? 0 : min(budget.firstWindow, budget.room)
        guard budget.take(giving) else { return nil }
        let (id, taking) = (nextID, isFlow ? 0 : theirFirst)
        nextID += 2
        let slot = add(id, giving: giving, taking: taking, isFlow, now)
        return (slot, MuxFrame.open(id, giving: giving, taking: taking))
    }

    private mutating func add(_ id: UInt32, giving: Int, taking: Int, _ isFlow: Bool, _ now: Duration) -> Int {
        let stream = Stream(
            id: id, inflow: MuxInflow(window: giving, at: now), outflow: MuxOutflow(credit: taking, at: now),
            isFlow: isFlow)
        let slot = free.popLast() ?? streams.count
        if slot == streams.count { streams.append(stream) } else { streams[slot] = stream }
        table.insert(id, slot)
        return slot
    }

    package func id(of slot: Int) -> UInt32 { streams[slot].id }
    /// Bytes that have arrived and nobody has read, and those that may still come.
    package func granted(to slot: Int) -> Int { streams[slot].inflow.granted }
    package func credit(of slot: Int) -> Int { streams[slot].outflow.credit }
    package func isBulk(_ slot: Int) -> Bool { streams[slot].moved >= Self.bulkMark }
    /// Bytes that have arrived and nobody has read.
    package func unread(of slot: Int) -> Int { streams[slot].inflow.unread }

    /// So much of a stream goes out; there is credit for it.
    package mutating func sent(_ count: Int, of slot: Int, at now: Duration) {
        streams[slot].outflow.sent(count, at: now)
        streams[slot].moved += count
        unconfirmed += count
    }

    /// The last of a stream has gone out.
    package mutating func finished(_ slot: Int) { streams[slot].sentEnd = true }

    /// Both ends of a stream have been said, so it can be removed.
    package func isDone(_ slot: Int) -> Bool { streams[slot].sentEnd && streams[slot].heardEnd }

    /// Somebody has read bytes of a stream: what tells the peer of the credit, if it is due.
    package mutating func read(_ count: Int, of slot: Int, at now: Duration) -> InlineArray16? {
        let credit = streams[slot].inflow.read(count, at: now, roundTrip: liveness.roundTrip, from: budget)
        guard credit > 0, !streams[slot].heardEnd else { return nil }
        return MuxFrame.control(.window, stream: streams[slot].id, number: UInt64(credit))
    }

    /// Forgets a stream. Frames that still come for it mean nothing; its slot may be another's next.
    package mutating func remove(_ slot: Int) {
        guard streams[slot].id != 0 else { return }
        streams[slot].inflow.end(budget)
        unconfirmed -= streams[slot].outflow.unconfirmed
        table.remove(streams[slot].id)
        streams[slot].id = 0
        free.append(slot)
    }

    /// No more streams, from either side.
    package mutating func goAway(_ code: UInt64) -> InlineArray16 {
        saidGoAway = true
        return MuxFrame.control(.goAway, number: code)
    }

    /// All streams are over at once.
    package mutating func endAll() { for slot in streams.indices { remove(slot) } }

    // MARK: The peer

    package mutating func receive(_ event: MuxEvent, at now: Duration) throws(MuxError) -> Action {
        switch event {
        case .data(let id, let range, let ends): return try data(id, range, ends)
        case .datagram(let id, let range):
            guard let slot = try find(id) else { return .none }
            guard streams[slot].isFlow, !streams[slot].heardEnd else { throw .outOfPlace(id) }
            return .datagram(slot, range)
        case .open(let id, let giving, let taking): return try opened(id, giving, taking, now)
        case .window(0, let first):
            guard first > 0, first <= UInt64(MuxFrame.mostPayload) else { throw .badCredit(0) }
            theirFirst = Int(first)
            return .none
        case .window(let id, let credit):
            guard let slot = try find(id) else { return .none }
            let before = streams[slot].outflow.unconfirmed
            guard streams[slot].outflow.receive(credit), !streams[slot].isFlow else { throw .badCredit(id) }
            unconfirmed += streams[slot].outflow.unconfirmed - before
            return .mayWrite(slot)
        case .unused(let id, let credit):
            guard let slot = try find(id) else { return .none }
            guard streams[slot].inflow.unused(credit, to: budget) else { throw .badCredit(id) }
            return .none
        case .reset(let id, let code):
            guard let slot = try find(id) else { return .none }
            remove(slot)
            return .reset(slot, code)
        case .ping(let number): return .answer(MuxFrame.control(.ping, .ack, number: number))
        case .pong(let number):
            liveness.pong(number, at: now)
            return .measured
        case .goAway(let code):
            heardGoAway = true
            return .goAway(code)
        }
    }

    /// Nil for a stream that is over.
    private func find(_ id: UInt32) throws(MuxError) -> Int? {
        if let slot = table.find(id) { return slot }
        let isTheirs = id & 1 != nextID & 1
        guard id != 0, isTheirs ? id <= lastHeardID : id < nextID else { throw .wrongStream(id) }
        return nil
    }

    private mutating func data(_ id: UInt32, _ range: Range<Int>, _ ends: Bool) throws(MuxError) -> Action {
        guard let slot = try find(id) else { return .none }
        guard !streams[slot].heardEnd, !streams[slot].isFlow || range.isEmpty else { throw .outOfPlace(id) }
        guard streams[slot].inflow.receive(range.count) else { throw .overCredit(id) }
        streams[slot].moved += range.count
        if ends { streams[slot].heardEnd = true }
        return range.isEmpty && !ends ? .none : .deliver(slot, range, ends: ends)
    }

    private mutating func opened(
        _ id: UInt32, _ giving: Int, _ taking: Int, _ now: Duration
    ) throws(MuxError) -> Action {
        guard id & 1 != nextID & 1, id > lastHeardID else { throw .wrongStream(id) }
        let isFlow = giving == 0
        guard taking <= MuxFrame.mostPayload, giving <= MuxFrame.mostPayload, isFlow == (taking == 0) else {
            throw .badCredit(id)
        }
        lastHeardID = id
        guard !saidGoAway, streamCount < limits.streams, budget.take(taking) else {
            return .answer(MuxFrame.control(.reset, stream: id, number: MuxResetCode.busy.rawValue))
        }
        return .accept(add(id, giving: taking, taking: giving, isFlow, now), isFlow: isFlow)
    }

    // MARK: Time

    package mutating func heard(at now: Duration) { liveness.heard(at: now) }
    package mutating func step(at now: Duration) -> MuxLiveness.Step { liveness.step(at: now) }

    /// What new streams of the peer may take, when that has changed.
    package mutating func newFirstWindow() -> InlineArray16? {
        let first = budget.firstWindow
        guard first != toldFirst else { return nil }
        toldFirst = first
        return MuxFrame.control(.window, number: UInt64(first))
    }

    /// Gives back the credit that resting streams have and do not use.
    package mutating func giveBack(at now: Duration, _ send: (InlineArray16) -> Void) {
        for slot in streams.indices where streams[slot].id != 0 {
            let unused = streams[slot].outflow.rest(at: now)
            if unused > 0 { send(MuxFrame.control(.window, .ack, stream: streams[slot].id, number: UInt64(unused))) }
        }
    }
}

package typealias InlineArray16 = InlineArray<16, UInt8>

/// Why a stream ended at once. Others are the owner's.
package enum MuxResetCode: UInt64, Sendable {
    /// This side has no more use for it.
    case done = 0
    /// Nobody wants it.
    case refused = 1
    /// There is no room for another stream.
    case busy = 2
    /// What the stream leads to broke off.
    case broken = 3
    /// What it leads to cannot be reached.
    case unreachable = 4
    /// It was given up for want of progress.
    case timedOut = 5
}
