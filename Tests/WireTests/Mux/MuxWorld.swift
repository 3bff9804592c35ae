import OmniwayTesting
import OmniwayWire

/// One end of a carrier without any network: it moves bytes as a carrier does, and writes down what it reads.
struct MuxEnd {
    struct Stream {
        var slot: Int?
        var outbox: [UInt8] = []
        /// Of the outbox, so many bytes have gone.
        var gone = 0
        var wantsEnd = false
        var saidEnd = false
        var left: Int { outbox.count - gone }
        var waits = false
        var isReading = true
        /// Arrived, and not read while the reader has stopped.
        var kept: [UInt8] = []
        var read: [UInt8] = []
        var heardEnd = false
        var wasReset = false
    }

    var mux: Mux
    let budget: MuxBudget
    private var reader = MuxReader()
    private var scheduler = MuxScheduler()
    /// What has gone out and has not arrived.
    var wire: [UInt8] = []
    private var unread: [UInt8] = []
    var streams: [UInt32: Stream] = [:]
    private var ids: [Int: UInt32] = [:]

    init(_ side: Mux.Side, budget: MuxBudget, now: Duration = .zero) {
        self.budget = budget
        mux = Mux(side, at: now, budget: budget)
    }

    mutating func open(_ now: Duration) -> UInt32? {
        guard let (slot, frame) = mux.open(at: now) else { return nil }
        wire += MuxSamples.bytes(frame)
        let id = mux.id(of: slot)
        streams[id] = Stream(slot: slot)
        ids[slot] = id
        return id
    }

    mutating func mustOpen(_ now: Duration) throws -> UInt32 {
        guard let id = open(now) else { throw NoStream() }
        return id
    }

    mutating func write(_ id: UInt32, _ bytes: [UInt8]) {
        streams[id]?.outbox += bytes
        wait(id)
    }

    mutating func finish(_ id: UInt32) {
        streams[id]?.wantsEnd = true
        wait(id)
    }

    mutating func reset(_ id: UInt32) {
        guard let slot = streams[id]?.slot else { return }
        wire += MuxSamples.bytes(MuxFrame.control(.reset, stream: id, number: 7))
        streams[id]?.wasReset = true
        remove(id, slot)
    }

    mutating func setReading(_ id: UInt32, _ isReading: Bool, _ now: Duration) {
        streams[id]?.isReading = isReading
        guard isReading, let kept = streams[id]?.kept, !kept.isEmpty else { return }
        streams[id]?.kept = []
        read(id, kept, now)
    }

    private mutating func read(_ id: UInt32, _ bytes: [UInt8], _ now: Duration) {
        streams[id]?.read += bytes
        guard let slot = streams[id]?.slot, let frame = mux.read(bytes.count, of: slot, at: now) else { return }
        wire += MuxSamples.bytes(frame)
    }

    private mutating func wait(_ id: UInt32) {
        guard let stream = streams[id], let slot = stream.slot, !stream.waits, !stream.saidEnd else { return }
        guard mux.credit(of: slot) > 0 && stream.left > 0 || stream.left == 0 && stream.wantsEnd else { return }
        streams[id]?.waits = true
        scheduler.wait(slot, queued: stream.left)
    }

    /// Fills the way up to `limit`, one stream after the other.
    mutating func pump(_ now: Duration, limit: Int = 128 << 10) {
        if let frame = mux.newFirstWindow() { wire += MuxSamples.bytes(frame) }
        while wire.count < limit, let slot = scheduler.next() {
            guard let id = ids[slot], let stream = streams[id], stream.waits else { continue }
            let count = min(stream.left, mux.credit(of: slot), MuxScheduler.quantum - MuxFrame.headerSize)
            let ends = stream.wantsEnd && count == stream.left
            wire += MuxSamples.bytes(MuxFrame.header(.data, ends ? .fin : [], stream: id, length: count))
            wire += stream.outbox[stream.gone..<stream.gone + count]
            streams[id]?.waits = false
            streams[id]?.gone += count
            streams[id]?.saidEnd = ends
            mux.sent(count, of: slot, at: now)
            if ends {
                mux.finished(slot)
                removeIfDone(id, slot)
            } else {
                wait(id)
            }
        }
    }

    mutating func hear(_ bytes: [UInt8], _ now: Duration) throws {
        unread += bytes
        var offset = 0
        while let event = try lending(unread, { try reader.next(in: $0, from: &offset) }) {
            switch try mux.receive(event, at: now) {
            case .none, .measured, .goAway, .datagram: break
            case .answer(let frame): wire += MuxSamples.bytes(frame)
            case .accept(let slot, _):
                let id = mux.id(of: slot)
                streams[id] = Stream(slot: slot)
                ids[slot] = id
            case .mayWrite(let slot): if let id = ids[slot] { wait(id) }
            case .reset(let slot, _):
                guard let id = ids.removeValue(forKey: slot) else { continue }
                streams[id]?.slot = nil
                streams[id]?.wasReset = true
            case .deliver(let slot, let range, let ends):
                guard let id = ids[slot], let stream = streams[id] else { continue }
                let piece = Array(unread[range])
                if stream.isReading { read(id, piece, now) } else { streams[id]?.kept += piece }
                if ends { streams[id]?.heardEnd = true }
                removeIfDone(id, slot)
            }
        }
        unread.removeFirst(offset)
    }

    private mutating func removeIfDone(_ id: UInt32, _ slot: Int) {
        if mux.isDone(slot) { remove(id, slot) }
    }

    private mutating func remove(_ id: UInt32, _ slot: Int) {
        mux.remove(slot)
        ids[slot] = nil
        streams[id]?.slot = nil
    }
}

/// Two ends, and the way between them.
struct MuxPair {
    var a: MuxEnd
    var b: MuxEnd
    var now = Duration.zero

    init(budgets: Int = 32 << 20) {
        a = MuxEnd(.dialed, budget: MuxBudget(budgets))
        b = MuxEnd(.accepted, budget: MuxBudget(budgets))
    }

    /// Moves so many bytes of what is under way, each direction.
    mutating func carry(_ most: Int = .max) throws {
        a.pump(now)
        b.pump(now)
        let (there, back) = (min(most, a.wire.count), min(most, b.wire.count))
        let (toB, toA) = (Array(a.wire[..<there]), Array(b.wire[..<back]))
        a.wire.removeFirst(there)
        b.wire.removeFirst(back)
        try b.hear(toB, now)
        try a.hear(toA, now)
    }

    mutating func carryAll() throws {
        repeat {
            try carry()
            a.pump(now)
            b.pump(now)
        } while !a.wire.isEmpty || !b.wire.isEmpty
    }
}

struct NoStream: Error {}

extension Mux {
    mutating func mustOpen() throws -> Int {
        guard let (slot, _) = open(at: .zero) else { throw NoStream() }
        return slot
    }
}
