import OmniwayTelemetry
import OmniwayWire

/// How an answer is written.
extension HTTPConnection {
    func respond(_ status: HTTPStatus, _ headers: HTTPHeaders, _ body: RawSpan) {
        guard writeHead(status, headers, length: length(of: body.byteCount, status)) else { return }
        if !answersHead, !status.hasNoBody { link.write(body) }
        answered(status.code)
    }

    func respond(_ status: HTTPStatus, _ headers: HTTPHeaders, _ body: SharedBytes) {
        guard writeHead(status, headers, length: length(of: body.count, status)) else { return }
        if !answersHead, !status.hasNoBody { link.write(body) }
        answered(status.code)
    }

    private func length(of count: Int, _ status: HTTPStatus) -> HTTPBodyLength {
        status.hasNoBody ? .none : .known(count)
    }

    func begin(_ status: HTTPStatus, _ headers: HTTPHeaders, length: Int?) {
        let how: HTTPBodyLength =
            if status.hasNoBody { .none } else if let length { .known(length) } else {
                version == .http11 ? .chunked : .untilTheEnd
            }
        if how == .untilTheEnd { isLast = true }
        guard writeHead(status, headers, length: how) else { return }
        streamedStatus = status
        answer = .streaming(how, due: answersHead || status.hasNoBody ? nil : length)
    }

    func write(_ bytes: RawSpan) {
        guard case .streaming(let how, let due) = answer else { return server.counters.late.add(1) }
        let count = bytes.byteCount
        if let due {
            guard count <= due else { return cut("the handler wrote more than it had announced") }
            answer = .streaming(how, due: due - count)
        }
        if answersHead || count == 0 { return }
        switch how {
        case .none: break
        case .known, .untilTheEnd: link.write(bytes)
        case .chunked:
            link.write(HTTPChunk.begin(count))
            link.write(bytes)
            link.write(HTTPChunk.end)
        }
    }

    func finish() {
        guard case .streaming(let how, let due) = answer else { return server.counters.late.add(1) }
        if let due, due > 0 { return cut("the handler wrote \(due) bytes less than it had announced") }
        if how == .chunked, !answersHead { link.write(HTTPChunk.last) }
        answered(streamedStatus.code)
    }

    // MARK: Failing

    /// A client that has a part of the answer must not take it for the whole.
    private func cut(_ why: String) {
        server.counters.unanswered.add(1)
        Log.shared.error("http answer cut", ["why": why, "link": "\(link.id)"])
        leave(.answerCut.with(why))
    }

    func handlerFailed(_ error: any Error, _ exchange: HTTPExchange) {
        guard exchange.isUnderWay else { return }
        let request = exchange.request
        Log.shared.error("http handler failed", ["request": "\(request.method) \(request.path)", "error": "\(error)"])
        wasDropped()
    }

    /// Nobody will answer any more.
    func wasDropped() {
        switch answer {
        case .none where link.state == .open:
            server.counters.unanswered.add(1)
            respond(.internalServerError, Self.plainText, Self.noAnswer.span.raw)
        case .streaming: cut("the handler let go of its answer before the end")
        case .none, .done: break
        }
    }
    private static let noAnswer = Array("the server has no answer to this request\n".utf8)
    private static let plainText: HTTPHeaders = ["Content-Type": "text/plain; charset=utf-8"]

    /// The client sent something that is no request.
    func refuse(_ error: HTTPMessageError) {
        let reason: CloseReason =
            switch error.status {
            case .contentTooLarge: .bodyTooLarge
            case .targetTooLong, .headersTooLarge: .headTooLarge
            default: .badRequest
            }
        refuse(error.status, error.description, reason.with(error.description))
    }

    /// Says why, if nothing else was said yet, and ends the connection.
    func refuse(_ status: HTTPStatus, _ why: String, _ reason: CloseReason) {
        if case .streaming = answer { return leave(.answerCut.with(why)) }
        isLast = true
        if writeHead(status, Self.plainText, length: .known(why.utf8.count + 1)) {
            link.write(Array(why.utf8))
            link.write([UInt8(ascii: "\n")])
            server.counters.count(status.code)
        }
        leave(reason)
    }

    // MARK: Heads

    /// False when the head cannot be written; the client is told that there is no answer.
    func writeHead(_ status: HTTPStatus, _ headers: HTTPHeaders, length: HTTPBodyLength) -> Bool {
        let head = HTTPResponseHead(status, headers)
        if !bodyIsOver || (!headers.isEmpty && !head.keepsAlive) { isLast = true }
        let own = HTTPConnectionFields(length: length, persistence: persistence(status), date: server.dateBytes)
        server.scratch.removeAll(keepingCapacity: true)
        do throws(HTTPWriteError) {
            try head.write(to: &server.scratch, adding: own)
        } catch {
            Log.shared.error("http answer refused", ["error": "\(error)", "link": "\(link.id)"])
            wasDropped()
            return false
        }
        link.write(server.scratch)
        return true
    }

    private func persistence(_ status: HTTPStatus) -> HTTPConnectionFields.Persistence {
        if status == .switchingProtocols { return .asUsual }
        if isLast { return .close }
        return version == .http10 ? .keepAlive : .asUsual
    }
}

extension CloseReason {
    /// The client sent something that is no request.
    public static let badRequest = CloseReason("bad-request")
    /// The head of a request is larger than it may be.
    public static let headTooLarge = CloseReason("head-too-large")
    /// The body of a message is larger than it may be.
    public static let bodyTooLarge = CloseReason("body-too-large")
    /// A request took too long to arrive.
    public static let requestTimeout = CloseReason("request-timeout")
    /// An answer had begun and cannot be ended.
    public static let answerCut = CloseReason("answer-cut", sendsTheRest: false)
}
