import OmniwayWire

/// What a connection waits for, and until when.
struct HTTPDeadline {
    enum Kind {
        case none
        /// The rest of a head.
        case head
        /// More of a body.
        case body
        /// The answer; the client is to take it.
        case answer
        /// The answer to a client that has ended its direction, and may be gone.
        case farewell
        /// Another request.
        case idle
    }

    private(set) var kind = Kind.none
    private(set) var due = Moment(nanoseconds: .max)
    /// Fires at or before `due`, and is set again then: a request that is quick costs no timer.
    fileprivate var timer: TimerID?
    fileprivate var fires = Moment(nanoseconds: .max)
    /// What of the body was there when its interval began.
    fileprivate var bodyMark = 0

    fileprivate mutating func set(_ kind: Kind, _ due: Moment) { (self.kind, self.due) = (kind, due) }

    mutating func stop() { kind = .none }

    mutating func cancel(on loop: Loop) {
        if let timer { loop.cancel(timer) }
        timer = nil
        kind = .none
    }
}

extension HTTPConnection: TimerTarget {
    /// Begins to wait, unless that is what it does already.
    func wait(_ kind: HTTPDeadline.Kind) { if deadline.kind != kind { restart(kind) } }

    func restart(_ kind: HTTPDeadline.Kind) {
        let limits = server.limits
        let limit: Duration =
            switch kind {
            case .head: limits.headDeadline
            case .body: limits.bodyInterval
            case .answer: limits.stall
            case .farewell: limits.halfClosed
            case .idle: limits.idle
            case .none: .zero
            }
        if kind == .none { return deadline.stop() }
        if kind == .body { deadline.bodyMark = bodyReceived }
        deadline.set(kind, link.loop.now + limit)
        if deadline.timer == nil || deadline.fires > deadline.due { arm() }
    }

    private func arm() {
        if let timer = deadline.timer { link.loop.cancel(timer) }
        deadline.fires = deadline.due
        deadline.timer = link.loop.after(deadline.due - link.loop.now, self)
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        if token == Self.endToken { return endPausedBody() }
        deadline.timer = nil
        guard link.state == .open, deadline.kind != .none else { return }
        if loop.now < deadline.due { return arm() }
        switch deadline.kind {
        case .none: break
        case .head: headIsLate()
        case .body: bodyIsLate()
        case .answer: if !isStalled { restart(.answer) }
        case .farewell: if !isStalled, !isSilent { restart(.farewell) }
        case .idle:
            if link.queued == 0 {
                leave(.idle.with("no request for \(server.limits.idle)"))
            } else if !isStalled {
                restart(.idle)
            }
        }
    }

    private func headIsLate() {
        if !hasBegun { return leave(.idle.with("no request after connecting")) }
        refuse(
            .requestTimeout, "the head of a request took longer than \(server.limits.headDeadline)",
            .requestTimeout.with("head"))
    }

    private func bodyIsLate() {
        if isBodyPaused || bodyReceived - deadline.bodyMark >= server.limits.bodyProgress { return restart(.body) }
        refuse(
            .requestTimeout,
            "the body brought less than \(server.limits.bodyProgress) bytes in \(server.limits.bodyInterval)",
            .requestTimeout.with("body"))
    }

    /// Closes a connection whose client has taken nothing for too long.
    private var isStalled: Bool {
        guard link.queued > 0, link.loop.now - link.lastSent >= server.limits.stall else { return false }
        leave(.slowReader.with("the client took nothing of an answer for \(server.limits.stall)"))
        return true
    }

    /// Leaves a client that has ended its direction and was sent nothing for too long, so that it was not found out
    /// whether it is there.
    private var isSilent: Bool {
        let limit = server.limits.halfClosed
        guard link.queued == 0, link.loop.now - link.lastSent >= limit else { return false }
        leave(.finished.with("the client had ended its direction, and no answer came for \(limit)"))
        return true
    }
}
