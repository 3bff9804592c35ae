import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// The part of a bus on one loop. Everything on it is an ordinary call, and all it calls is called on its loop.
///
/// ```swift
/// let port = bus.port(on: loop)
/// try port.subscribe("pitaya/servers/room/1") { message in try? message.respond(Array("hello".utf8)) }
/// port.request("pitaya/servers/room/1", body, deadline: .seconds(5)) { answer in
///     switch answer {
///     case .success(let message): show(message.payload)
///     case .failure(let error): show(error.code)
///     }
/// }
/// ```
public final class BusPort {
    /// Where it lives.
    public let loop: Loop
    /// What it may hold.
    public let limits: BusLimits
    /// How it stands with its bus.
    public private(set) var state = BusState.connecting {
        didSet { counters.open.add((state.isUsable ? 1 : 0) - (oldValue.isUsable ? 1 : 0)) }
    }
    private var observers = BusObservers()

    let counters: BusCounters
    var name: LoopLocal<BusPort>?
    private let driver: any BusDriver
    private let left: () -> Void
    private(set) var subscriptions = BusSubscriptions()
    private var requests: BusRequests
    /// Where answers arrive: what stands before the token.
    private let inbox: [UInt8]
    private var reply: [UInt8] = []
    private var flushes: [(number: UInt64, done: (BusError?) -> Void)] = []
    private var flushCount: UInt64 = 0
    private var waitingToDrain: [() -> Void] = []
    private var waitingToOpen: [OpenWaiter] = []

    /// `left` is called when it has closed.
    init(
        on loop: Loop, _ driver: any BusDriver, limits: BusLimits, inboxPrefix: String = "_INBOX",
        left: @escaping () -> Void
    ) {
        (self.loop, self.driver, self.limits, self.left) = (loop, driver, limits, left)
        counters = BusCounters(loop.meters)
        requests = BusRequests(limit: limits.requests)
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        let id = (0..<22).map { _ in letters[Int(loop.random.next() % UInt64(letters.count))] }
        inbox = Array(inboxPrefix.utf8) + [UInt8(ascii: ".")] + id + [UInt8(ascii: ".")]
        driver.start(for: self)
    }

    /// Calls `changed` with each new state, until the observer is cancelled.
    @discardableResult
    public func whenStateChanges(_ changed: @escaping (BusState) -> Void) -> BusObserver { observers.add(changed) }

    /// Nobody wants to know any more.
    public func cancel(_ observer: BusObserver) { observers.remove(observer) }

    private func tellObservers() {
        let now = state
        for observer in observers.observers { observers.find(observer)?(now) }
    }

    /// Messages and requests go through now.
    public var isOpen: Bool { state.isUsable }
    /// Requests that wait for an answer.
    public var requestCount: Int { requests.count }
    /// Subscriptions that have not ended.
    public var subscriptionCount: Int { subscriptions.count }
    /// Most bytes of one message and its headers.
    public var maxPayload: Int { driver.maxPayload }

    // MARK: Publishing

    /// Sends to all who have subscribed. That it has not thrown does not say that anybody got it.
    public func publish(
        _ subject: String, _ payload: RawSpan, replyTo: String? = nil, headers: BusHeaders = BusHeaders()
    ) throws(BusError) {
        try BusSubject.check(subject)
        guard let replyTo else { return try send(payload, to: subject.utf8.span.raw, headers: headers) }
        try BusSubject.check(replyTo)
        let block = try headers.block()
        try send(subject.utf8.span.raw, replyTo.utf8.span.raw, block.span.raw, payload)
    }

    /// The same with bytes of one's own.
    public func publish(
        _ subject: String, _ payload: [UInt8], replyTo: String? = nil, headers: BusHeaders = BusHeaders()
    ) throws(BusError) {
        try publish(subject, payload.span.raw, replyTo: replyTo, headers: headers)
    }

    func send(_ payload: RawSpan, to subject: RawSpan, headers: BusHeaders) throws(BusError) {
        if headers.isEmpty { return try send(subject, RawSpan(), RawSpan(), payload) }
        let block = try headers.block()
        try send(subject, RawSpan(), block.span.raw, payload)
    }

    @inline(__always)
    private func send(
        _ subject: RawSpan, _ reply: RawSpan, _ headers: RawSpan, _ payload: RawSpan
    ) throws(BusError) {
        try check(payload.byteCount + headers.byteCount)
        try driver.publish(subject, reply: reply, headers: headers, payload: payload)
        counters.published.add(1)
    }

    private func check(_ size: Int) throws(BusError) {
        switch state {
        case .open, .draining: break
        case .connecting: throw .away("it is being connected")
        case .away(let words): throw .away(words)
        case .closed: throw .closed
        }
        if size > driver.maxPayload { throw .tooLarge(size, limit: driver.maxPayload) }
    }

    // MARK: Requests

    /// A request under way.
    public struct Request: Sendable, Equatable {
        let token: UInt64
    }

    /// Sends a request. `answer` is called once: with the first answer, or with why there is none; that may be before
    /// this returns. Nil then: the request is over.
    @discardableResult
    public func request(
        _ subject: String, _ payload: RawSpan, headers: BusHeaders = BusHeaders(), deadline: Duration,
        _ answer: @escaping BusAnswer
    ) -> Request? {
        do throws(BusError) {
            try BusSubject.check(subject)
            let block = try headers.block()
            try check(payload.byteCount + block.count)
            if requests.isFull { throw .tooManyRequests(limit: limits.requests) }
            let token = requests.add(
                BusRequests.Waiting(subject: subject, deadline: deadline, answer: answer, timer: nil))
            writeReply(token)
            do throws(BusError) {
                try driver.publish(
                    subject.utf8.span.raw, reply: reply.span.raw, headers: block.span.raw, payload: payload)
            } catch {
                _ = requests.take(token)
                throw error
            }
            counters.published.add(1)
            counters.requests.add(1)
            requests.set(loop.after(deadline, self, token: token), for: token)
            return Request(token: token)
        } catch {
            counters.failed.add(1)
            answer(.failure(error))
            return nil
        }
    }

    /// The same with bytes of one's own.
    @discardableResult
    public func request(
        _ subject: String, _ payload: [UInt8], headers: BusHeaders = BusHeaders(), deadline: Duration,
        _ answer: @escaping BusAnswer
    ) -> Request? {
        request(subject, payload.span.raw, headers: headers, deadline: deadline, answer)
    }

    /// Nobody waits for the answer any more: `.cancelled` is the answer. Late, it does nothing.
    public func cancel(_ request: Request) { fail(request.token, .cancelled, counters.failed) }

    /// The subject of answers: the inbox and the token, in hexadecimal digits.
    private func writeReply(_ token: UInt64) {
        reply.removeAll(keepingCapacity: true)
        reply += inbox
        var shift = max(0, (63 - token.leadingZeroBitCount) / 4 * 4)
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: token >> UInt64(shift) & 15)
            reply.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            shift -= 4
        }
    }

    /// Nil for what no token of ours looks like.
    private func token(in subject: RawSpan) -> UInt64? {
        guard subject.byteCount > inbox.count, subject.byteCount <= inbox.count + 16 else { return nil }
        var token: UInt64 = 0
        for index in inbox.count..<subject.byteCount {
            let byte = subject.byte(index)
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): token = token << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): token = token << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return token
    }

    private func answer(_ message: BusMessage, _ subject: RawSpan) {
        guard let token = token(in: subject), let waiting = requests.take(token) else { return counters.late.add(1) }
        end(waiting)
        // Only the bus itself says 503, and with nothing in it.
        if message.payload.isEmpty, message.status == 503 {
            counters.noResponders.add(1)
            waiting.answer(.failure(.noResponders(waiting.subject)))
        } else {
            counters.answered.add(1)
            waiting.answer(.success(message))
        }
        drainedFurther()
    }

    private func fail(_ token: UInt64, _ error: BusError, _ counter: Counter) {
        guard let waiting = requests.take(token) else { return }
        end(waiting)
        counter.add(1)
        waiting.answer(.failure(error))
        drainedFurther()
    }

    private func end(_ waiting: BusRequests.Waiting) {
        if let timer = waiting.timer { loop.cancel(timer) }
        counters.requests.add(-1)
    }

    private func failAll(_ error: BusError) {
        for waiting in requests.takeAll() {
            end(waiting)
            counters.failed.add(1)
            waiting.answer(.failure(error))
        }
        drainedFurther()
    }

    // MARK: Subscriptions

    /// Calls `receive` with each message of a subject, until the subscription is cancelled or the port closes. While
    /// the bus is away subscriptions are kept. Of those of one group each message goes to one.
    @discardableResult
    public func subscribe(
        _ subject: String, group: String? = nil, _ receive: @escaping (BusMessage) -> Void
    ) throws(BusError) -> BusSubscription {
        try BusSubject.checkSubscription(subject, group: group)
        if state == .closed || state == .draining { throw .closed }
        if subscriptions.count >= min(limits.subscriptions, 1 << 23) {
            throw .tooManySubscriptions(limit: limits.subscriptions)
        }
        let sid = subscriptions.reserve()
        let subscription = BusSubscription(subject, group: group, sid: sid, of: self, receive)
        subscriptions.set(subscription)
        counters.subscriptions.add(1)
        driver.subscribe(subject, group: group, sid: sid)
        return subscription
    }

    func unsubscribe(_ sid: UInt64) { driver.unsubscribe(sid) }

    func forget(_ subscription: BusSubscription) {
        subscriptions.remove(subscription.sid)
        counters.subscriptions.add(-1)
        drainedFurther()
    }

    /// The subject under which answers come, for the driver to subscribe to.
    var inboxSubject: String { String(decoding: inbox, as: UTF8.self) + "*" }

    // MARK: From the driver

    @inline(__always)
    func deliver(_ bytes: RawSpan, _ parts: NATSMessage) {
        counters.received.add(1)
        let message = BusMessage(bytes, parts, on: self)
        if parts.sid == BusSubscriptions.inbox {
            answer(message, bytes.extracting(parts.subject))
        } else if let subscription = subscriptions.find(parts.sid) {
            subscription.deliver(message, from: self)
        } else {
            counters.late.add(1)
        }
    }

    /// Nil when everything has come through; otherwise the connection ended before.
    func flushed(_ number: UInt64, _ error: BusError? = nil) {
        guard let index = flushes.firstIndex(where: { $0.number == number }) else { return }
        flushes.remove(at: index).done(error)
    }

    /// While it is drained it stays so, whatever the connection does.
    func becomes(_ next: BusState) {
        if state == next || state == .closed || state == .draining && next == .open { return }
        state = next
        tellObservers()
        if next == .open { for waiter in exchange(&waitingToOpen, with: []) { waiter.end(nil) } }
    }

    /// The connection has ended, with all that was under way on it.
    func lost(_ words: String) {
        let wasDraining = state == .draining
        becomes(.away(words))
        for flush in exchange(&flushes, with: []) { flush.done(.connectionLost(words)) }
        failAll(.connectionLost(words))
        if wasDraining { close() }
    }

    /// Calls `done` when the bus is there, or with an error when it is not within `limit`.
    public func whenOpen(within limit: Duration, _ done: @escaping (BusError?) -> Void) {
        if state.isUsable || state == .closed { return done(state == .closed ? .closed : nil) }
        waitingToOpen.removeAll(where: \.hasEnded)  // Those who have waited long enough.
        let waiter = OpenWaiter(of: self, done)
        waitingToOpen.append(waiter)
        loop.after(limit, waiter)
    }

    // MARK: Ending

    /// Calls `done` when all that was published before has reached the bus, and what it had for this port has come;
    /// with an error when the connection ends before, or there is none.
    public func flush(_ done: @escaping (BusError?) -> Void) {
        guard state.isUsable else {
            return done(state == .closed ? .closed : .away("\(state)"))
        }
        flushCount += 1
        flushes.append((flushCount, done))
        driver.flush(flushCount)
    }

    /// Takes no more messages, lets those that came be handled and the requests under way be answered, then closes.
    /// After `limit` it closes in any case.
    public func drain(within limit: Duration = .seconds(5), _ done: @escaping () -> Void = {}) {
        if state == .closed { return done() }
        waitingToDrain.append(done)
        if state == .draining { return }
        guard state == .open else { return close() }
        becomes(.draining)
        loop.after(limit, self, token: Self.drainToken)
        for subscription in subscriptions.all { subscription.drain() }
        drainedFurther()
    }

    private func drainedFurther() {
        guard state == .draining, subscriptions.count == 0, requests.count == 0 else { return }
        flush { [weak self] _ in
            guard let self, subscriptions.count == 0, requests.count == 0 else { return }
            close()
        }
    }

    /// Ends all at once: requests fail, subscriptions are cancelled. What was published before still goes out.
    public func close() {
        if state == .closed { return }
        driver.close()
        state = .closed
        name?.release(on: loop)
        left()
        for subscription in subscriptions.all { subscription.cancel() }
        for flush in exchange(&flushes, with: []) { flush.done(.closed) }
        failAll(.closed)
        tellObservers()
        for waiter in exchange(&waitingToOpen, with: []) { waiter.end(.closed) }
        for done in exchange(&waitingToDrain, with: []) { done() }
    }

    private static let drainToken = UInt64.max
}

extension BusPort: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Self.drainToken { return close() }
        guard let waiting = requests.take(token) else { return }
        counters.requests.add(-1)
        counters.timedOut.add(1)
        waiting.answer(.failure(.timedOut(waiting.subject, after: waiting.deadline)))
        drainedFurther()
    }
}

/// Somebody who waits until the bus is there, for some time.
private final class OpenWaiter: TimerTarget {
    private weak var port: BusPort?
    private var done: ((BusError?) -> Void)?

    init(of port: BusPort, _ done: @escaping (BusError?) -> Void) { (self.port, self.done) = (port, done) }

    var hasEnded: Bool { done == nil }
    func end(_ error: BusError?) { exchange(&done, with: nil)?(error) }

    func timerFired(_ token: UInt64, on loop: Loop) {
        switch port?.state {
        case .away(let words): end(.away(words))
        case .connecting, .open, .draining: end(.away("no server has answered yet"))
        case .closed, nil: end(.closed)
        }
    }
}
