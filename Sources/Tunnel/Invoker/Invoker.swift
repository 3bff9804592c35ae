import OmniwayTelemetry
public import OmniwayTransport
public import OmniwayWire

/// Calls between two peers over one link: requests with a path, answered or not. Any link that is a stream will do.
///
/// It is the handler of its link and lives on the link's loop. Requests that are not answered reach their handlers in
/// order; of those that are answered, 64 may be under way, then the peer is not read until one of them is.
public final class Invoker {
    public let loop: Loop
    /// The connection's name, which the accepting side gives.
    public internal(set) var id: String
    /// Whose connection it is: the id of a client or a node. Empty for a client that has none yet.
    public var terminal: String
    /// What its owner wants to find here again.
    public var attachment: AnyObject?
    /// The link below; nil once it has ended.
    public private(set) var link: Link?
    /// Called once, when the link has ended.
    public var onClose: (Invoker, CloseReason) -> Void = { _, _ in }
    /// When the peer was heard last.
    public private(set) var lastHeard: Moment

    /// How long a call waits unless it is told otherwise.
    public static let patience = Duration.seconds(10)

    private let codec: InvokeCodec
    private let routes: InvokeRoutes
    private var dialogue: InvokeDialogue
    private var waiting: [InvokeDialogue.Tag: Waiting] = [:]
    private var timer: TimerID?

    private struct Waiting {
        let path: String
        let then: (Result<InvokeResponse, InvokeFailure>) -> Void
    }

    /// Takes over an open link. What it has received already goes to this invoker.
    public init(
        over link: Link, id: String = "", terminal: String = "", routes: InvokeRoutes,
        codec: InvokeCodec = InvokeCodec()
    ) {
        precondition(!link.traits.keepsMessages, "an invoker needs a stream; wrap the link with MessageJoining")
        loop = link.loop
        lastHeard = loop.now
        self.link = link
        (self.id, self.terminal, self.routes, self.codec) = (id, terminal, routes, codec)
        dialogue = InvokeDialogue()
        link.limits.unread = max(link.limits.unread, codec.maxFrameSize + InvokeCodec.headerSize)
        link.handler = self
    }

    // MARK: Calling

    /// Sends a request that nobody answers.
    public func send(_ path: String, headers: InvokeHeaders = InvokeHeaders(), body: String = "") throws(InvokeFailure)
    {
        try write(.request(InvokeRequest(id: newID(), path: path, headers: headers, body: body)))
    }

    /// Sends a request, and calls `then` once: with an answer of code 200, or with what went wrong.
    public func invoke(
        _ path: String, headers: InvokeHeaders = InvokeHeaders(), body: String = "",
        within patience: Duration = Invoker.patience,
        then: @escaping (Result<InvokeResponse, InvokeFailure>) -> Void
    ) {
        var request = InvokeRequest(id: newID(), path: path, headers: headers, body: body)
        request.headers[InvokeRequest.kindHeader] = "bidi"
        guard let tag = dialogue.call(request.id, until: loop.now.sinceStart + patience) else {
            return then(.failure(.tooMany))
        }
        waiting[tag] = Waiting(path: path, then: then)
        do throws(InvokeFailure) {
            try write(.request(request))
            wait()
        } catch {
            dialogue.giveUp(tag)
            waiting.removeValue(forKey: tag)?.then(.failure(error))
        }
    }

    /// The same for async work of this loop.
    public nonisolated(nonsending) func invoke(
        _ path: String, headers: InvokeHeaders = InvokeHeaders(), body: String = "",
        within patience: Duration = Invoker.patience
    ) async throws(InvokeFailure) -> InvokeResponse {
        let result = await withCheckedContinuation { continuation in
            invoke(path, headers: headers, body: body, within: patience) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Ends the connection. Calls that wait fail, and `onClose` is called.
    public func close(_ reason: CloseReason = .done) { link?.close(reason) }

    private func newID() -> String { UUIDText.random(using: &loop.random) }

    private func write(_ message: InvokeMessage) throws(InvokeFailure) {
        guard let link, link.state != .closed else { throw .closed(.done) }
        var bytes: [UInt8] = []
        do throws(InvokeError) { try codec.write(message, to: &bytes) } catch { throw .notSent(error) }
        link.write(bytes)
    }

    func respond(_ response: InvokeResponse) {
        dialogue.answered()
        do throws(InvokeFailure) {
            try write(.response(response))
        } catch {
            // A closed connection has nobody left to tell.
            guard case .notSent(let error) = error else { return }
            try? write(.response(InvokeResponse(to: response.id, error.code, message: error.description)))
        }
        if dialogue.mayRead { link?.resumeReading() }
    }

    // MARK: Time

    private func wait() {
        if let timer { loop.cancel(timer) }
        timer = dialogue.nextDeadline().map { loop.after($0 - loop.now.sinceStart, self) }
    }

    // MARK: The peer

    private func take(_ message: InvokeMessage) {
        var kind: InvokeDialogue.Kind?
        if case .request(let request) = message { kind = routes.kind(of: request) }
        switch dialogue.receive(message, kind: kind) {
        case .ignore: break
        case .perform(let request):
            do { try routes.perform(request, from: self) } catch {
                Log.shared.warning("a request has failed", ["path": request.path, "error": "\(error)"])
            }
        case .answer(let request):
            let answer = InvokeAnswer(to: request.id, from: self)
            do { try routes.answer(request, from: self, answer) } catch { answer.fail(.failed, Self.words(error)) }
            if !dialogue.mayRead { link?.pauseReading() }
        case .refuse(let response): try? write(.response(response))  // A closed connection has nobody left to tell.
        case .finish(let tag, let response):
            let call = waiting.removeValue(forKey: tag)
            if response.code == .success {
                call?.then(.success(response))
            } else {
                call?.then(.failure(.refused(response.code, response.message)))
            }
        }
    }

    private static func words(_ error: any Error) -> String { String("\(error)".prefix(200)) }
}

extension Invoker: LinkHandler {
    public var frameFormat: FrameFormat? { .invoker }

    public func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        lastHeard = loop.now
        var offset = 0
        do throws(InvokeError) {
            while dialogue.mayRead, link.state == .open, let range = try codec.frame(in: bytes, at: offset) {
                offset = range.upperBound
                take(try codec.message(bytes.extracting(range)))
            }
        } catch {
            Log.shared.warning(
                "an invoker sent what is no frame",
                ["invoker": id, "code": error.code.description, "error": error.description])
            link.close(.protocolError.with(error.description))
            return bytes.byteCount
        }
        return link.state == .open ? offset : bytes.byteCount
    }

    public func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        if let timer { loop.cancel(timer) }
        for tag in dialogue.endAll() { waiting.removeValue(forKey: tag)?.then(.failure(.closed(reason))) }
        let onClose = exchange(&onClose, with: { _, _ in })
        onClose(self, reason)
    }
}

extension Invoker: TimerTarget {
    public func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        for tag in dialogue.expire(at: loop.now.sinceStart) {
            guard let call = waiting.removeValue(forKey: tag) else { continue }
            call.then(.failure(.timedOut(call.path)))
        }
        wait()
    }
}

/// Why a call has no answer.
public enum InvokeFailure: Error, Sendable, CustomStringConvertible {
    /// The peer has answered that it will not, or cannot.
    case refused(InvokeCode, String)
    case timedOut(String)
    case closed(CloseReason)
    case tooMany
    case notSent(InvokeError)

    public var description: String {
        switch self {
        case .refused(let code, let words): words.isEmpty ? "refused with code \(code)" : "\(words) (code \(code))"
        case .timedOut(let path): "the peer did not answer \(path) in time; it may be slow or gone"
        case .closed(let reason): "the connection has ended (\(reason)); connect again"
        case .tooMany: "too many calls wait for an answer already; wait for some of them"
        case .notSent(let error): "the request was not sent: \(error)"
        }
    }
}
