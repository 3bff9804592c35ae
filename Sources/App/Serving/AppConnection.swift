import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A client's connection: packets in, packets out, and what the protocol asks in between.
final class AppConnection: LinkHandler, Caller {
    let link: Link
    let shard: AppShard
    let session: Session
    private let keepsMessages: Bool
    private(set) var serving = PomeloServing()
    var heartbeat: PomeloHeartbeat?
    private var rate: PomeloRateLimit?
    var heartbeatTimer: TimerID?
    private var handshakeTimer: TimerID?
    private var authentication: StartedTask?
    var early = EarlyPushes()
    /// Of the last message whose handler did not wait, for the next one.
    private var spare: Context?
    /// Under way, in the order in which they came.
    private var calls: [any UnderWay] = []
    /// Of these, those that have not begun: nothing may overtake them.
    private var notBegun = 0
    /// It is not read: too much is under way, or it does not read itself.
    private var isWaiting = false
    /// It is among those that the shard reads again when there is room.
    private var isInLine = false
    private var isStopped = false
    /// It ends with the last answer that is due.
    var leavesWhenIdle = false
    /// On a link that keeps messages: what has come of one that is not whole, or could not be handled yet.
    private var held: [UInt8] = []
    private var heldIsWhole = false

    init(_ link: Link, _ shard: AppShard) {
        (self.link, self.shard) = (link, shard)
        keepsMessages = link.traits.keepsMessages
        session = Session(.here(link), shard)
        if shard.cluster != nil, let place = session.place { shard.directory.publish(place) }
        if let limit = plan.settings.rateLimit { rate = PomeloRateLimit(limit: limit.limit, interval: limit.interval) }
    }

    var plan: AppPlan { shard.plan }

    // MARK: The link

    var frameFormat: FrameFormat? { plan.framing.frameFormat }

    func opened(_ link: Link) {
        let settings = plan.settings
        if settings.heartbeat > .zero {
            heartbeat = PomeloHeartbeat(every: settings.heartbeat, from: now)
            heartbeatTimer = link.loop.after(settings.heartbeat, self, token: Self.heartbeatToken)
        }
        if settings.handshakeLimit > .zero {
            handshakeTimer = link.loop.after(settings.handshakeLimit, self, token: Self.handshakeToken)
        }
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        keepsMessages ? receiveMessage(bytes, endOfMessage) : receivePackets(bytes)
    }

    /// As many packets as there are and may be handled now; how many bytes those were.
    private func receivePackets(_ bytes: RawSpan) -> Int {
        let framing = plan.framing
        var at = 0
        do throws(PomeloError) {
            while let packet = try framing.packet(in: bytes, at: at), mayTake(packet.kind) {
                at = packet.end
                try take(packet.kind, bytes.extracting(packet.body))
            }
        } catch {
            fail(error)
        }
        return link.state == .open ? at : bytes.byteCount
    }

    /// A message holds whole packets, mostly one.
    private func receiveMessage(_ bytes: RawSpan, _ endOfMessage: Bool) -> Int {
        if endOfMessage, held.isEmpty {
            let taken = receivePackets(bytes)
            if taken < bytes.byteCount { keep(bytes.extracting(droppingFirst: taken), isWhole: true) }
        } else {
            keep(bytes, isWhole: endOfMessage)
        }
        return bytes.byteCount
    }

    private func keep(_ bytes: RawSpan, isWhole: Bool) {
        guard held.count + bytes.byteCount <= plan.framing.maxSize else {
            return fail(.packetTooLarge(bytes: held.count + bytes.byteCount, limit: plan.settings.maxPacketSize))
        }
        var message = exchange(&held, with: [])
        message.add(bytes)
        held = message
        heldIsWhole = isWhole
        if isWhole { handleHeld() }
    }

    private func handleHeld() {
        guard heldIsWhole, !held.isEmpty, !isBlocked else { return }
        let message = exchange(&held, with: [])
        let taken = receivePackets(unsafe message.span.bytes)  // Safe because bytes have no padding.
        guard taken < message.count, link.state == .open else { return }
        // What is left is either more packets for later, or no packet.
        if isBlocked {
            held = Array(message[taken...])
        } else {
            fail(.notOnePacket(bytes: message.count))
        }
    }

    func writable(_ link: Link) { roomAgain() }

    func closed(_ link: Link, _ reason: CloseReason) { end(reason) }

    func end(_ reason: CloseReason) {
        guard session.endReason == nil else { return }
        serve { $0.close() }
        // What holds the connection would hold it, and its session, for nothing.
        for timer in [heartbeatTimer, handshakeTimer] { if let timer { shard.loop.cancel(timer) } }
        authentication?.cancel()
        (authentication, early, held, spare) = (nil, EarlyPushes(), [], nil)
        for call in exchange(&calls, with: []) { call.cancel() }
        session.ended(reason)
        if shard.cluster != nil { shard.directory.withdraw(session.id) }
        shard.left()
        shard.counters.ended(reason)
        Log.shared.debug(
            "session ended", ["session": "\(session.id)", "user": session.uid ?? "", "reason": "\(reason)"])
    }

    func fail(_ error: PomeloError) {
        let reason: CloseReason = if case .handshakeTooSlow = error { .handshakeTimeout } else { .badPacket }
        link.close(reason.with("\(error)"))
    }

    // MARK: Packets

    private func take(_ kind: PomeloPacket.Kind, _ body: RawSpan) throws(PomeloError) {
        if var rate {
            let accepts = rate.accepts(at: now)
            self.rate = rate
            if !accepts { return exceeded(kind, body) }
        }
        heard()
        switch serve({ $0.receive(kind) }) {
        case .decide: decide(body)
        case .begin: for packet in early.takeAll() { link.write(packet) }
        case .ignore: break
        case .deliver: try deliver(body)
        case .close(let error): throw error
        }
    }

    /// Changes a copy, here and where else packets pass: what is changed in place is checked for that each time.
    func serve<Result>(_ change: (inout PomeloServing) -> Result) -> Result {
        var serving = serving
        defer { self.serving = serving }
        return change(&serving)
    }

    /// A packet above the rate limit. Whoever asked for something is told.
    private func exceeded(_ kind: PomeloPacket.Kind, _ body: RawSpan) {
        shard.counters.exceeded.add(1)
        guard kind == .data, serving.phase == .working, let message = try? PomeloMessage(body, from: .client) else {
            return
        }
        tell(AppError(AppError.tooManyRequests, "too many messages; send fewer"), id: message.id)
    }

    // MARK: Coming in

    private func decide(_ body: RawSpan) {
        // A second handshake is answered like the first, and asks nobody.
        if session.handshake != nil { return welcome() }
        do {
            let handshake = Handshake(try PomeloHandshake(body, limits: .messages))
            for (name, check) in plan.validators {
                do { try check(handshake) } catch { throw AppError(name, "\(error)") }
            }
            session.handshake = handshake
            session.data["ipversion"] = .string(link.traits.peer.isIPv6 ? "ipv6" : "ipv4")
        } catch { return refuse(error) }
        guard let authentication = plan.authentication else { return welcome() }
        link.pauseReading()
        self.authentication = shard.loop.start(Authentication(self, authentication))
        if self.authentication == nil { refuse(AppError(AppError.overloaded, "too much is under way")) }
    }

    /// The application has said whether the client may come in.
    func decided(_ error: (any Error)?) {
        authentication = nil
        if let error { refuse(error) } else { welcome() }
        goOn()
    }

    private func welcome() { if serve({ $0.accept() }) { link.write(plan.welcome) } }

    private func refuse(_ error: any Error) {
        guard serve({ $0.refuse() }) else { return }
        link.write(plan.refusal)
        link.close(.handshakeRefused.with("\(error)"))
    }

    // MARK: Messages in

    private func deliver(_ packet: RawSpan) throws(PomeloError) {
        let message = try PomeloMessage(packet, from: .client)
        guard let route = message.route else { throw .wrongWay(message.kind) }
        let body: [UInt8]
        if message.isCompressed {
            body = try PomeloCompression.inflated(
                packet.extracting(message.body), atMost: plan.settings.maxInflatedSize, by: link.loop.deflatePool)
        } else {
            body = packet.array(message.body)
        }
        let found: Route? =
            switch route {
            case .text(let range): plan.routes.find(packet.extracting(range))
            case .code(let code): plan.routes.find(code)
            }
        let isRequest = message.kind == .request
        guard let found else {
            let text = try plan.dictionary.text(of: route, in: packet)
            if let forward = shard.cluster?.route(for: text) {
                return dispatch(forward, named: text, body, id: isRequest ? message.id : 0, isRequest: isRequest)
            }
            let error = plan.noHandler(for: text)
            return isRequest ? tell(error, id: message.id) : shard.counters.unrouted.add(1)
        }
        dispatch(found, named: found.name, body, id: isRequest ? message.id : 0, isRequest: isRequest)
    }

    private func dispatch(_ route: Route, named name: String, _ body: [UInt8], id: UInt64, isRequest: Bool) {
        if isRequest, !route.handler.answers {
            return tell(AppError(AppError.badRequest, "tried to request a notify route"), id: id)
        }
        let context = context(name, id: id, isRequest: isRequest)
        if let run = route.plain, notBegun == 0 {
            answer(run(body, context), id: id, route, context)
            return spare = context
        }
        let most = plan.settings.inFlight.perSession
        guard calls.count < most, begin(route, body, context, id) else { return overloaded(id) }
        if plan.settings.inFlight.whenFull == .waits, calls.count == most { wait() }
    }

    /// False when there is no room for it.
    private func begin(_ route: Route, _ body: [UInt8], _ context: Context, _ id: UInt64) -> Bool {
        if case .elsewhere = route.handler.body, notBegun == 0, let cluster = shard.cluster {
            guard shard.callBegins() else { return false }
            let forward = Forward(body, context, cluster)
            calls.append(forward)
            forward.begin { [self] outcome in
                if let outcome { answer(outcome, id: id, route, context) }
                ended(forward)
            }
            return true
        }
        let call = Call(self, context, id: id, route, body)
        guard let task = shard.start(call) else { return false }
        call.started(task)
        calls.append(call)
        notBegun += 1
        return true
    }

    private func context(_ route: String, id: UInt64, isRequest: Bool) -> Context {
        let now = link.loop.now
        let message = Context.Message(
            id: id, isRequest: isRequest, arrived: now, deadline: plan.settings.callLimit.map { now + $0 })
        var spare = exchange(&spare, with: nil)
        let context: Context
        if isKnownUniquelyReferenced(&spare), let spare {  // Nobody has kept it.
            spare.begin(route, message)
            context = spare
        } else {
            context = Context(session, route, message)
        }
        if let tracer = plan.tracer { context.beginSpan(tracer) }
        return context
    }

    func began(_ call: Call) {
        notBegun -= 1
        shard.counters.began(call.route.index, from: call.context.arrived, to: shard.loop.clockTime)
    }

    func neverBegan(_ call: Call) {
        notBegun -= 1
        ended(call)
    }

    func ended(_ call: any UnderWay) {
        shard.callEnded()
        if let index = calls.firstIndex(where: { $0 === call }) { calls.remove(at: index) }
        roomAgain()
        leaveIfIdle()
    }

    private func overloaded(_ id: UInt64) {
        shard.counters.refused.add(1)
        var metadata: [String: String] = [:]
        if case .refuses(let time) = plan.settings.inFlight.whenFull {
            metadata["retry-after"] = "\(Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18)"
        }
        tell(AppError(AppError.overloaded, "too much is under way; try again later", metadata: metadata), id: id)
    }

    // MARK: Messages out

    func answer(_ outcome: Result<[UInt8], any Error>, id: UInt64, _ route: Route, _ context: Context) {
        context.endSpan(outcome)
        let (arrived, now) = (context.arrived, shard.loop.clockTime)
        switch outcome {
        case .success(let body):
            shard.counters.answered(route.index, from: arrived, to: now)
            if id != 0 { respond(body, id: id) }
        case .failure(let error):
            let error = AppError(error)
            shard.counters.failed(route.index, error.code, from: arrived, to: now)
            if id != 0 { tell(error, id: id) } else { context.log.info("notify failed", ["error": "\(error)"]) }
        }
    }

    private func respond(_ body: [UInt8], id: UInt64) {
        do {
            try send(.response(id: id), body)
        } catch { tell(AppError(AppError.internalError, "\(error)"), id: id) }
    }

    private func tell(_ error: AppError, id: UInt64) {
        guard id != 0 else { return }
        let head = PomeloMessageHead.response(id: id, isError: true)
        do throws(PomeloError) {
            try send(head, plan.serializer.encode(error))
        } catch {
            // The words are too many for a packet. Whoever asks is told that.
            try? send(head, plan.serializer.encode(AppError(AppError.internalError, "\(error)")))
        }
    }

    func send(_ head: PomeloMessageHead, _ body: [UInt8]) throws(PomeloError) {
        guard link.state == .open else { return shard.counters.late.add(1) }
        try plan.framing.write(head, body, to: link)
        // Who asks and does not read the answers is not asked for more.
        if link.isFull { wait() }
    }

    // MARK: Waiting

    private var isBlocked: Bool { isWaiting || serving.phase == .deciding }

    /// Whether another packet may be handled now; if not, the link is not read until it may. Only messages need room.
    private func mayTake(_ kind: PomeloPacket.Kind) -> Bool {
        if isBlocked { return false }
        if kind != .data || shard.hasRoom || plan.settings.inFlight.whenFull != .waits { return true }
        wait()
        if !isInLine { shard.waitForRoom(link.id) }
        isInLine = true
        return false
    }

    private func wait() {
        isWaiting = true
        link.pauseReading()
    }

    /// Something has ended, or the client has read: perhaps it is enough.
    func roomAgain() { if isWaiting { goOn() } }

    /// The shard has room, and it is this one's turn.
    func letIn() {
        isInLine = false
        roomAgain()
    }

    private func goOn() {
        guard !isStopped, link.state == .open else { return }
        isWaiting = calls.count >= plan.settings.inFlight.perSession || link.isFull
        if !isWaiting { handleHeld() }
        if !isBlocked { link.resumeReading() }
    }

    var isIdle: Bool { calls.isEmpty }

    /// The app ends: what is under way is finished, nothing new is begun.
    func stopReading() {
        isStopped = true
        wait()
    }

    var now: Duration { .nanoseconds(link.loop.now.nanoseconds) }
}
