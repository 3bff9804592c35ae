import CSystem
import Glibc
package import OmniwayCrypto
public import OmniwayTelemetry
import Synchronization

/// Everything one thread owns: its links, timers, mailboxes and buffers. Not `Sendable`: whoever holds a `Loop` is on
/// it,
/// and other threads hold its `EventLoop`.
@safe
public final class Loop {
    public let index: Int
    /// The time of this turn. It stands still while callbacks run.
    public var now: Moment { turnTime }
    private var turnTime: Moment
    /// The time of this call, for those who measure how long something within a turn takes.
    public var clockTime: Moment { clock.now }
    /// Randomness for whatever runs here; seeded when the loop is simulated.
    public var random: any RandomNumberGenerator
    public let meters: Meters

    let executor: LoopExecutor
    let clock: LoopClock
    /// Nil when the loop is simulated: it has no descriptors.
    let poller: Poller?
    let pool: BufferPool
    let links: LinkTable
    let inbound = InboundBuffer()
    let counters: LoopCounters
    let nobody = Nobody()
    package private(set) lazy var deflatePool = DeflatePool()
    let pipes: PipeHub
    let helperTickets = HelperTickets()
    private(set) lazy var helperMailbox = mailbox(of: HelperResult.self) { [helperTickets] in helperTickets.redeem($0) }

    let sources: SlotTable<SourceEntry>
    // Slots with something to flush, each at most once; while one list is flushed the other is filled.
    private var dirty: UnsafeMutablePointer<UInt32>
    private var flushing: UnsafeMutablePointer<UInt32>
    private var dirtyCount = 0
    private var closing: [Link] = []
    // A turn asks these first: reading a plain number is free, a collection that is changed in place is not.
    private var closingCount = 0
    private var retiredCount = 0
    var startCount = 0
    private var earliest = Int64.max
    private var retiredSources: [SourceEntry] = []  // Held until the end of the turn in which they were forgotten.
    var timers = TimerQueue()
    var mailSlots: [(any MailSlot)?] = []
    var observers: [any TurnObserver] = []
    var watches: [LinkWatch] = []
    var named: [NamedObject] = []
    var starts: [StartedTask] = []
    var running: [ObjectIdentifier: StartedTask] = [:]
    /// Sockets that were closed and still have something to say.
    var lingering = 0
    var isEnding = false
    private var startedTasks: UInt64 = 0
    var turns: UInt64 = 0
    // Plain numbers, because they are counted for every system call.
    var bytesRead: UInt64 = 0
    var bytesSent: UInt64 = 0

    /// Async tasks of this loop that have not ended, those that wait to be started included.
    public internal(set) var tasks = 0
    public let taskLimit: Int
    /// Most bytes that waited in one link.
    var mostQueued = 0

    init(
        index: Int, executor: LoopExecutor, clock: LoopClock, limits: LoopLimits, random: any RandomNumberGenerator,
        pipes: PipeHub
    ) {
        self.index = index
        self.executor = executor
        self.clock = clock
        self.random = random
        self.pipes = pipes
        turnTime = clock.now
        taskLimit = limits.tasks
        pool = BufferPool(limits.pool)
        meters = Meters()
        counters = LoopCounters(meters)
        poller = clock.isManual ? nil : Poller()
        links = SlotTable(capacity: limits.links)
        sources = SlotTable(capacity: limits.links + 1024)
        unsafe dirty = .allocate(capacity: limits.links)
        unsafe flushing = .allocate(capacity: limits.links)
        readMeters()
        mailSlots.append(MailReceiver(pipes.mailbox) { [pipes, unowned self] in pipes.take($0, on: self) })
        if let poller {
            do {
                try poller.watch(executor.wakeDescriptor, for: .read, id: Self.wakeID)
            } catch { preconditionFailure("the loop cannot watch its own wake-up: \(error)") }
        }
    }

    deinit {
        sources.forEach { _, entry in entry.moveOut() }
        unsafe dirty.deallocate()
        unsafe flushing.deallocate()
    }

    private static let wakeID = SlotID(rawValue: .max)

    // MARK: One turn

    /// Waits for input if nothing else is to be done, and calls whom it concerns. True when anything happened.
    func poll(mayWait: Bool) -> Bool {
        var events = 0
        if let poller {
            events = poller.wait(
                milliseconds: mayWait && dirtyCount == 0 && closingCount == 0 && startCount == 0 ? timeout : 0)
        }
        turnTime = clock.now
        if let poller { dispatch(events, of: poller) }
        let hadMail = executor.mayHaveWork && deliverMail()
        let hadTimers = fireTimers()
        turns &+= 1
        executor.pulse.store(turns, ordering: .relaxed)
        return events > 0 || hadMail || hadTimers
    }

    private func dispatch(_ events: Int, of poller: Poller) {
        for index in 0..<events {
            let (id, readiness) = poller.event(index)
            if let slot = sources.find(id) {
                slot.payload.ready(readiness, on: self)
            } else if id == Self.wakeID {
                executor.wakeSeen()
            }
        }
    }

    /// Milliseconds until the next timer, rounded up; negative when there is none.
    private var timeout: Int32 {
        if earliest == .max { return -1 }
        let wait = earliest - clock.now.nanoseconds
        return wait <= 0 ? 0 : Int32(clamping: (wait + 999_999) / 1_000_000)
    }

    private func deliverMail() -> Bool {
        let ready = executor.takeMail()
        for index in ready where index < mailSlots.count { mailSlots[index]?.deliver() }
        return !ready.isEmpty
    }

    private func fireTimers() -> Bool {
        guard earliest <= now.nanoseconds else { return false }
        // A timer set by a timer waits for the next turn, so a zero delay cannot hold the loop.
        let mark = timers.mark
        while let timer = timers.popDue(now, before: mark) {
            counters.lag.record(from: timer.deadline, to: now)
            timer.target.timerFired(timer.token, on: self)
        }
        timersChanged()
        return true
    }

    /// How long this turn took; its length is what everybody else on the loop waits.
    func recordBusy() { counters.busy.record(from: now, to: clock.now) }

    /// Ends a turn: hands over what was staged, flushes until no link is dirty, tells who was closed.
    /// True when there was anything to do.
    @discardableResult
    func settle() -> Bool {
        // What a round's callbacks write, close or stage belongs to the next; who never stops writing waits for a turn.
        var rounds = 0
        var wasBusy = true
        while wasBusy, rounds < Self.roundsPerTurn {
            for observer in observers { observer.turnEnds(on: self) }
            wasBusy = dirtyCount > 0 || closingCount > 0
            if dirtyCount > 0 { flush() }
            pipes.handOver()
            if closingCount > 0 { tellClosed() }
            rounds += 1
        }
        // What the last round has staged must not wait for somebody to wake this loop.
        if wasBusy { for observer in observers { observer.turnEnds(on: self) } }
        if dirtyCount == 0 { links.recycle() }  // A slot in the list must not get another tenant.
        sources.recycle()
        if retiredCount > 0 {
            for entry in retiredSources { entry.moveOut() }
            retiredSources = []
            retiredCount = 0
        }
        return rounds > 1
    }

    private func tellClosed() {
        let closed = closing
        closing = []
        closingCount = 0
        for link in closed { link.tellClosed() }
    }

    private static let roundsPerTurn = 16

    private func flush() {
        let count = dirtyCount
        unsafe swap(&dirty, &flushing)
        dirtyCount = 0
        // Safe because a slot is in a list once at most.
        for index in 0..<count { unsafe links.at(flushing[index]).flush(on: self) }
    }

    // MARK: Links

    /// Appends to the link's queue, to be sent at the end of the turn. The way for frames: one look-up, one copy.
    /// False when the link is gone; that is counted and harmless.
    @discardableResult
    public func write(_ bytes: RawSpan, to id: LinkID) -> Bool {
        guard let slot = links.find(id.slotID) else {
            counters.lateWrites.add(1)
            return false
        }
        write(bytes, to: slot)
        return true
    }

    /// What has become of bytes that were offered to a link.
    @frozen public enum Offered: Sendable { case queued, full, gone }

    /// The same for a feeder that can wait: a full link takes nothing.
    public func offer(_ bytes: RawSpan, to id: LinkID) -> Offered {
        guard let slot = links.find(id.slotID) else {
            counters.lateWrites.add(1)
            return .gone
        }
        if slot.payload.flags.contains(.full) { return .full }
        write(bytes, to: slot)
        return .queued
    }

    @inline(__always)
    private func write(_ bytes: RawSpan, to slot: LinkTable.Handle) {
        let flags = slot.payload.flags
        guard flags.contains(.plain) else { return slot.payload.link.writePart(bytes, endOfMessage: true) }
        slot.payload.queue.append(bytes, pool: pool)
        slot.payload.writes &+= 1
        if !flags.contains(.dirty) { addDirty(slot) }
        if slot.payload.isHigh { slot.payload.link.queueIsHigh() }
    }

    @inline(__always)
    private func addDirty(_ slot: LinkTable.Handle) {
        slot.payload.flags.insert(.dirty)
        unsafe dirty[dirtyCount] = slot.id.slot  // Safe because each slot is in the list once at most.
        dirtyCount += 1
    }

    /// The link, unless it has been closed or detached.
    public func link(_ id: LinkID) -> Link? {
        links.find(id.slotID)?.payload.link
    }

    public var linkCount: Int { links.count }

    /// Calls `body` for every link that is connecting or open, in the order of their slots.
    public func forEachLink(_ body: (Link) -> Void) { links.forEach { _, entry in body(entry.link) } }

    func markDirty(_ id: LinkID) {
        if let slot = links.find(id.slotID), !slot.payload.flags.contains(.dirty) { addDirty(slot) }
    }

    func willTellClosed(_ link: Link) {
        closing.append(link)
        closingCount += 1
    }

    // MARK: Descriptors

    func watch(_ source: PollSource, for interest: Readiness) throws(SystemError) {
        guard let poller, let slot = sources.insert(SourceEntry(source)) else {
            throw SystemError(number: poller == nil ? ENOTSUP : ENFILE)
        }
        source.id = slot.id
        do {
            try poller.watch(source.descriptor, for: interest, id: slot.id)
        } catch {
            forget(source)
            throw error
        }
    }

    func change(_ source: PollSource, to interest: Readiness) throws(SystemError) {
        try poller?.change(source.descriptor, to: interest, id: source.id)
    }

    /// Events of this source end at once, also those of the turn under way.
    func forget(_ source: PollSource) {
        guard let slot = sources.find(source.id) else { return }
        retiredSources.append(slot.payload)
        retiredCount += 1
        sources.remove(slot)
        poller?.forget(source.descriptor)
    }

    // MARK: Time

    @discardableResult
    public func after(_ delay: Duration, _ target: any TimerTarget, token: UInt64 = 0) -> TimerID {
        if isEnding { return TimerID(slot: .max, generation: 0) }
        let timer = timers.insert(target, token: token, at: now + delay)
        timersChanged()
        return timer
    }

    public func cancel(_ timer: TimerID) {
        timers.cancel(timer)
        timersChanged()
    }

    func timersChanged() { earliest = timers.nextDeadline?.nanoseconds ?? .max }

    /// When the next timer is due: how far a simulated world may move its clock.
    public var nextDeadline: Moment? { timers.nextDeadline }

    // MARK: Between loops

    /// A way for other threads to hand values to this loop. `limit` bounds what waits; see `Mailbox.post`.
    public func mailbox<Message: Sendable>(
        of type: Message.Type = Message.self, limit: Int = 65_536, receive: @escaping (Message) -> Void
    ) -> Mailbox<Message> {
        let index = mailSlots.firstIndex { $0 == nil } ?? mailSlots.count
        let mailbox = Mailbox<Message>(limit: limit, index: index, executor: executor)
        if index == mailSlots.count { mailSlots.append(nil) }
        mailSlots[index] = MailReceiver(mailbox, receive)
        return mailbox
    }

    /// Takes what waits now, and nothing more.
    func finish<Message: Sendable>(_ mailbox: Mailbox<Message>) {
        if mailSlots.indices.contains(mailbox.index) { mailSlots[mailbox.index]?.deliver() }
        remove(mailbox)
    }

    /// Nothing more is taken from it; what waits is dropped.
    public func remove<Message: Sendable>(_ mailbox: Mailbox<Message>) {
        mailbox.close()
        if mailSlots.isEmpty { return }  // The loop has ended.
        mailSlots[mailbox.index] = nil
    }

    /// Calls `observer` at the end of every turn, before links are flushed: the place to hand over what was staged.
    public func atEndOfTurn(_ observer: any TurnObserver) { observers = observers + [observer] }

    // MARK: Async work

    /// Starts async work at the end of this turn's callbacks. It runs here, and is back here after every `await`.
    /// Nil when `taskLimit` tasks are under way: refuse the request, or stop reading.
    @discardableResult
    public func start(_ task: any LoopTask) -> StartedTask? {
        guard tasks < taskLimit, !isEnding else { return nil }
        tasks += 1
        startedTasks += 1
        let started = StartedTask(task, number: startedTasks)
        starts.append(started)
        startCount += 1
        return started
    }

    func takeStarts() -> [StartedTask] {
        if startCount == 0 { return [] }
        startCount = 0
        return exchange(&starts, with: [])
    }
    func taskBegan(_ task: StartedTask) { running[ObjectIdentifier(task)] = task }
    func taskEnded(_ task: StartedTask) {
        running[ObjectIdentifier(task)] = nil
        tasks -= 1
    }
}

/// Somebody who stages work during a turn and hands it over once.
public protocol TurnObserver: AnyObject {
    func turnEnds(on loop: Loop)
}

public struct LoopLimits: Sendable {
    public var links = 1 << 20
    public var tasks = 100_000
    /// Where outbound queues and unread bytes live.
    public var pool = PoolLimits()
    public init() {}
}
