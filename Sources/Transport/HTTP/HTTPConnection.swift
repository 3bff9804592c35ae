import OmniwayWire

/// One connection of a server: it reads a request, sees to its answer, and only then reads the next. What a client sent
/// ahead stays unread in the link.
final class HTTPConnection: LinkHandler {
    enum Reading {
        case head
        case body
        /// The request is whole and its answer is not; or the connection ends.
        case nothing
    }

    enum Answer {
        case none
        /// So many bytes of the body are still due; nil when it has no length.
        case streaming(HTTPBodyLength, due: Int?)
        case done
    }

    let server: HTTPServer
    let link: Link
    private var decoder: HTTPRequestDecoder
    private(set) var reading = Reading.head
    var answer = Answer.done
    /// Of the exchange under way; the handles of others have no effect any more.
    private(set) var number = 0
    /// The exchange, while its body comes and when it has a handler.
    private(set) var kept: HTTPExchange?
    private var task: StartedTask?
    private var takesPieces = false
    private var wasCalled = false
    private var owesContinue = false
    private(set) var isBodyPaused = false
    private var isReceiving = false
    private var writers: [CheckedContinuation<Void, Never>] = []
    // Of the request under way.
    private(set) var version = HTTPVersion.http11
    private(set) var answersHead = false
    private var began: Moment
    private(set) var bodyReceived = 0
    /// The connection ends with this answer.
    var isLast = false
    /// Of an answer that is written piece by piece.
    var streamedStatus = HTTPStatus.ok
    var deadline = HTTPDeadline()

    init(_ link: Link, of server: HTTPServer) {
        (self.server, self.link) = (server, link)
        decoder = HTTPRequestDecoder(limits: server.limits.message)
        began = link.loop.now
    }

    func opened(_ link: Link) { wait(.head) }

    // MARK: Reading

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        isReceiving = true
        do throws(HTTPMessageError) {
            while mayRead, let part = try decoder.next(bytes, &offset) {
                switch part {
                case .head: beginExchange()
                case .body(let range): received(bytes.extracting(range))
                case .end: endBody()
                }
            }
        } catch { refuse(error) }
        isReceiving = false
        guard link.state == .open, link.handler === self else { return offset }
        stopped(before: bytes.byteCount - offset)
        return offset
    }

    private var mayRead: Bool {
        guard link.state == .open else { return false }
        switch reading {
        case .head: return !link.isFull
        case .body: return !isBodyPaused
        case .nothing: return false
        }
    }

    /// Reading has come to the end of the bytes that are there, or to something that must happen first.
    private func stopped(before rest: Int) {
        switch reading {
        case .head:
            if link.isFull {
                link.pauseReading()
                wait(.answer)
            } else if rest > 0 || !decoder.isBetweenRequests {
                wait(.head)
            } else if number > 0 {
                restart(.idle)
            }
        case .body:
            if isBodyPaused { link.pauseReading() } else { sendContinue() }
            wait(.body)
        case .nothing:
            if rest > 0 { link.pauseReading() }
            wait(.answer)
        }
    }

    private func beginExchange() {
        let head = decoder.head
        number += 1
        began = link.loop.now
        bodyReceived = 0
        deadline.stop()
        (version, answersHead) = (head.version, head.method == .head)
        isLast = !head.keepsAlive || server.isDraining || number >= server.limits.requests
        (takesPieces, wasCalled, isBodyPaused) = (false, false, false)
        owesContinue = head.expectsContinue
        answer = .none
        reading = .body
        decoder.limits.body = server.limits.message.body
        let match = server.routes.match(head)
        let exchange = HTTPExchange(head, number, on: self, match)
        kept = exchange
        switch match {
        case .found(let route, _):
            switch route.body {
            case nil: break
            case .whole(let limit): decoder.limits.body = limit
            case .pieces(let limit):
                decoder.limits.body = limit
                takesPieces = true
                if decoder.hasBody { call(exchange) }
            }
        case .notAllowed, .notFound: if owesContinue { call(exchange) }  // Before the client sends what nobody takes.
        }
    }

    private func received(_ bytes: RawSpan) {
        bodyReceived += bytes.byteCount
        guard let kept else { return }
        guard case .found = kept.match else { return }
        if takesPieces { kept.handler?.receive(bytes, of: kept) } else { kept.body.append(contentsOf: bytes) }
    }

    private func endBody() {
        reading = .nothing
        guard let exchange = kept else { return }
        if !wasCalled { call(exchange) }
        if takesPieces { exchange.handler?.received(exchange) }
        if exchange.handler == nil, kept === exchange { kept = nil }
    }

    private func call(_ exchange: HTTPExchange) {
        wasCalled = true
        switch exchange.match {
        case .found(let route, _):
            switch route.work {
            case .plain(let handler): handler(exchange)
            case .async(let work):
                task = link.loop.start(HTTPTask(exchange, work))
                if task == nil { exchange.respond(.serviceUnavailable, "too much is under way; try again later\n") }
            }
        case .notAllowed(let methods):
            let allowed = methods.map(\.rawValue) + (methods.contains(.get) ? ["HEAD"] : [])
            exchange.respond(
                .methodNotAllowed, "use \(allowed.joined(separator: " or "))\n",
                ["Allow": allowed.joined(separator: ", "), "Content-Type": "text/plain; charset=utf-8"])
        case .notFound: exchange.respond(.notFound, "there is nothing at this path\n")
        }
    }

    /// Unless the body comes anyway, or the answer has begun and this would be in the midst of it.
    private func sendContinue() {
        guard owesContinue, bodyReceived == 0, mayBegin else { return }
        owesContinue = false
        link.write(Self.continueBytes)
    }
    private static let continueBytes = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    // MARK: The exchange

    /// The request is whole.
    var bodyIsOver: Bool { if case .nothing = reading { true } else { false } }
    /// The client has sent at least a part of a first request.
    var hasBegun: Bool { number > 0 || !link.unread.isEmpty || !decoder.isBetweenRequests }
    var mayBegin: Bool { if case .none = answer { link.state == .open } else { false } }
    /// An answer is due, or the rest of one.
    private var owesAnswer: Bool { if case .done = answer { false } else { true } }

    /// False when it is over.
    func keep(_ exchange: HTTPExchange) -> Bool {
        if owesAnswer { kept = exchange }
        return owesAnswer
    }

    /// It has no handler any more; while its body comes it stays.
    func letGo(_ exchange: HTTPExchange) { if kept === exchange, bodyIsOver { kept = nil } }

    func pauseBody() { isBodyPaused = true }
    func resumeBody() {
        guard isBodyPaused else { return }
        isBodyPaused = false
        guard !isReceiving, case .body = reading else { return }
        restart(.body)  // The client could not make any progress.
        sendContinue()
        link.resumeReading()
        if decoder.owesEnd { link.loop.after(.zero, self, token: Self.endToken) }
    }

    static let endToken: UInt64 = 1

    /// A body that was paused at its last piece: no byte comes that would bring its end.
    func endPausedBody() { if decoder.owesEnd { _ = receive(RawSpan(), endOfMessage: false, from: link) } }

    func waitUntilWritable(_ writer: CheckedContinuation<Void, Never>) { writers.append(writer) }

    private func letWritersGo() { for writer in exchange(&writers, with: []) { writer.resume() } }

    /// The answer is queued.
    func answered(_ status: Int) {
        answer = .done
        server.counters.count(status, after: link.loop.now - began)
        forget()
        if isLast { return leave(.done) }
        reading = .head
        guard !isReceiving else { return }
        if link.isFull { return }  // `writable` goes on.
        restart(.idle)
        link.resumeReading()
    }

    /// Nobody has anything to do with the exchange any more.
    private func forget() {
        let over = kept
        kept = nil
        task = nil
        over?.handler = nil
        letWritersGo()
    }

    /// Ends the connection; what was written still goes out, if the reason says so.
    func leave(_ reason: CloseReason) {
        reading = .nothing
        link.close(reason)
    }

    /// Ends the connection as soon as no answer is due.
    func drain() {
        isLast = true
        if !owesAnswer, decoder.isBetweenRequests { leave(.done) }
    }

    /// Gives the link to another handler, which gets the bytes that were not read yet.
    func handOver(_ status: HTTPStatus, _ headers: HTTPHeaders, to handler: any LinkHandler) -> Bool {
        guard writeHead(status, headers, length: .none) else { return false }
        let clientHasFinished = deadline.kind == .farewell
        answer = .done
        number += 1
        server.counters.count(status.code, after: link.loop.now - began)
        deadline.cancel(on: link.loop)
        forget()
        link.handler = handler
        link.resumeReading()  // Before the handler, which may pause.
        handler.opened(link)
        if clientHasFinished, link.state == .open { handler.finished(link) }
        return true
    }

    // MARK: From the link

    func writable(_ link: Link) {
        letWritersGo()
        if let kept { kept.handler?.writable(kept) }
        guard case .head = reading else { return }
        restart(.idle)  // Without bytes that wait nothing else would begin it.
        link.resumeReading()
    }

    /// It may still wait for an answer, or be gone; until it is written to, both look the same.
    func finished(_ link: Link) {
        if decoder.owesEnd { endPausedBody() }
        guard bodyIsOver, owesAnswer else { return leave(.finished) }
        isLast = true
        restart(.farewell)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        deadline.cancel(on: link.loop)
        let (exchange, task) = (kept, task)
        if owesAnswer {
            answer = .done
            task?.cancel()
            if let exchange { exchange.handler?.clientLeft(exchange, reason) }
        }
        forget()
    }
}
