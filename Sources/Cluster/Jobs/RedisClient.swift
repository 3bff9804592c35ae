package import OmniwayTelemetry
package import OmniwayTransport
package import OmniwayWire

/// One connection to Redis, made when there is something to ask, and made again by the next command after it ended.
/// Answers come in the order of the commands.
package final class RedisClient: LinkHandler, TimerTarget {
    package typealias Answer = (Result<RESPValue, RedisError>) -> Void
    private struct Waiting {
        let deadline: Moment
        let answer: Answer
    }

    private let loop: Loop
    private let dialer: any Dialer
    private let password: Secret?
    private let limit: Duration
    private let codec = RESPCodec()
    private var link: Link?
    private var isOpen = false
    private var waiting: ArraySlice<Waiting> = []
    private var timer: TimerID?
    private static let mostWaiting = 4096

    /// `limit` is how long a command may take.
    package init(on loop: Loop, _ dialer: any Dialer, password: Secret? = nil, limit: Duration = .seconds(5)) {
        (self.loop, self.dialer, self.password, self.limit) = (loop, dialer, password, limit)
    }

    /// The answer; one that is an error is thrown as refused.
    @discardableResult
    package nonisolated(nonsending) func ask(_ words: String...) async throws(RedisError) -> RESPValue {
        try await ask(words.map { Array($0.utf8) })
    }

    package nonisolated(nonsending) func ask(_ command: [[UInt8]]) async throws(RedisError) -> RESPValue {
        let answer = await withCheckedContinuation { waiter in send(command) { waiter.resume(returning: $0) } }
        return try Self.checked(try answer.get())
    }

    /// Commands that are carried out together or not at all, and their answers.
    @discardableResult
    package nonisolated(nonsending) func askTogether(_ commands: [[[UInt8]]]) async throws(RedisError) -> [RESPValue] {
        let answer = await withCheckedContinuation { waiter in
            send([Array("MULTI".utf8)]) { _ in }
            for command in commands { send(command) { _ in } }
            send([Array("EXEC".utf8)]) { waiter.resume(returning: $0) }
        }
        guard case .array(let answers) = try Self.checked(try answer.get()) else {
            throw .unexpected("the answers of a transaction")
        }
        for answer in answers { _ = try Self.checked(answer) }
        return answers
    }

    private static func checked(_ value: RESPValue) throws(RedisError) -> RESPValue {
        if case .error(let words) = value { throw .refused(words) }
        return value
    }

    package func close() { link?.close(.done) }

    // MARK: Writing

    private func send(_ command: [[UInt8]], _ answer: @escaping Answer) {
        if waiting.count >= Self.mostWaiting { return answer(.failure(.overloaded)) }
        if link == nil {
            link = dialer.dial(on: loop, deadline: limit, handler: self)
            guard link != nil else { return answer(.failure(.away("this loop has no room for a connection"))) }
            link?.limits = QueueLimits(low: 1 << 20, high: 4 << 20, most: 64 << 20, unread: codec.mostBytes + 64 << 10)
            if let password {
                write([Array("AUTH".utf8), Array(password.revealed.utf8)]) { [weak self] answer in
                    guard case .success(.error(let words)) = answer else { return }
                    self?.link?.close(.handshakeFailed.with(words))
                }
            }
        }
        write(command, answer)
    }

    private func write(_ command: [[UInt8]], _ answer: @escaping Answer) {
        var bytes: [UInt8] = []
        RESPCodec.append(command, to: &bytes)
        waiting.append(Waiting(deadline: loop.now + limit, answer: answer))
        if timer == nil { timer = loop.after(limit, self) }
        link?.write(bytes)
    }

    // MARK: Reading

    package func opened(_ link: Link) { isOpen = true }

    package func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        do throws(RESPError) {
            while link.state == .open, let value = try codec.next(in: bytes, at: &offset) {
                guard let next = waiting.popFirst() else {
                    link.close(.protocolError.with("an answer that nobody has asked for"))
                    break
                }
                next.answer(.success(value))
            }
        } catch { link.close(.protocolError.with(error.description)) }
        return link.state == .open ? offset : bytes.byteCount
    }

    /// The answer to the oldest command is the next to come.
    package func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        guard let oldest = waiting.first else { return }
        if oldest.deadline <= loop.now {
            link?.close(.peerLost.with("no answer within \(limit)"))
        } else {
            timer = loop.after(oldest.deadline - loop.now, self)
        }
    }

    package func closed(_ link: Link, _ reason: CloseReason) {
        guard link === self.link else { return }
        let wasOpen = isOpen
        (self.link, isOpen) = (nil, false)
        for next in exchange(&waiting, with: []) {
            next.answer(.failure(wasOpen ? .lost("\(reason)") : .away("\(reason)")))
        }
    }
}
