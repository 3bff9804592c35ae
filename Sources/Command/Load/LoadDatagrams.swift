import Omniway

/// A flow of datagrams to an echo. They may be lost, come late, or in another order: each has a number.
final class LoadDatagrams: LoadConnection {
    private var link: Link?
    private var message: [UInt8]
    private var nextNumber: UInt64 = 0
    /// When those were due that wait for their answer, and all that were sent, the oldest first.
    private var waiting: [UInt64: Moment] = [:]
    private var sent: ArraySlice<(number: UInt64, at: Moment)> = []
    /// Those that waited too long.
    private var missing: Set<UInt64> = []
    private static let mostMissing = 65_536

    override init(_ shard: LoadShard) {
        message = [UInt8](repeating: UInt8(ascii: "x"), count: shard.plan.size)
        super.init(shard)
    }

    override func connect() {
        (waiting, sent, missing) = ([:], [], [])
        link = shard.plan.dialer.dial(on: shard.loop, deadline: shard.plan.patience, handler: self)
        if link == nil { lost("too-many-links") }
    }

    override func send(due: Moment) -> Bool {
        guard let link, !link.isFull else { return false }
        message.begin(with: nextNumber)
        waiting[nextNumber] = due
        sent.append((nextNumber, shard.loop.clockTime))
        nextNumber += 1
        link.write(message)
        return true
    }

    override func hangUp() { exchange(&link, with: nil)?.close(.done) }

    /// What has no answer by now is lost.
    override func look() {
        let now = shard.loop.clockTime
        var count = 0
        while let first = sent.first, now - first.at >= shard.plan.patience {
            sent.removeFirst()
            guard waiting.removeValue(forKey: first.number) != nil else { continue }
            if missing.count < Self.mostMissing { missing.insert(first.number) }
            failed("lost")
            count += 1
        }
        if count > 0 { goOn() }
    }
}

extension LoadDatagrams: LinkHandler {
    func opened(_ link: Link) { if link === self.link { opened() } }

    func writable(_ link: Link) { fill() }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard link === self.link else { return bytes.byteCount }
        guard endOfMessage, bytes.byteCount == message.count else {
            shard.failed("wrong answer")
            return bytes.byteCount
        }
        let number = bytes.number
        if let due = waiting.removeValue(forKey: number) {
            answered(due, at: shard.loop.clockTime, bytes: message.count)
            goOn()
        } else if number >= nextNumber {
            shard.failed("wrong answer")
        } else {
            shard.failed(missing.remove(number) == nil ? "twice" : "late")
        }
        return bytes.byteCount
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        guard link === self.link else { return }
        lost(reason.name)
        hangUp()
    }
}

extension [UInt8] {
    /// A message says its number in its first eight bytes.
    mutating func begin(with number: UInt64) {
        for index in 0..<8 { self[index] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(index))) }
    }
}

extension RawSpan {
    fileprivate var number: UInt64 {
        var number: UInt64 = 0
        for index in 0..<8 { number |= UInt64(byte(index)) << (8 * UInt64(index)) }
        return number
    }
}
