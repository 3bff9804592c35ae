import OmniwayTelemetry
import OmniwayTransport

/// A call on its way to the loop.
struct OutgoingRequest: Sendable {
    let number: UInt64
    let identity: ActorIdentity
    let target: String
    let arguments: [[UInt8]]
    let context: ActorCall
    let answer: ActorPromise<ActorCallEnd>
}

/// How a call ends for its caller.
enum ActorCallEnd: Sendable {
    case answered(ActorAnswer)
    case cancelled
}

/// A call of an actor elsewhere, until its end: finds the host, asks it, and asks once more when it has become
/// another. Only a host that says that it has not carried it out is left for another.
final class OutgoingCall: TimerTarget {
    private let request: OutgoingRequest
    private let node: ActorNode
    private let began: Moment
    private let ends: Moment
    private let limit: Duration
    private var timer: TimerID?
    private var sent: BusPort.Request?
    private var host: String?
    private var hasAskedRegistry = false
    private var hasEnded = false

    init(_ request: OutgoingRequest, _ node: ActorNode) {
        (self.request, self.node, began) = (request, node, node.loop.now)
        limit = request.context.limit(node.settings.deadline, at: node.loop.now)
        ends = node.loop.now + limit
    }

    var number: UInt64 { request.number }
    private var left: Duration { ends - node.loop.now }

    func start() {
        let calls = node.settings.calls
        if limit <= .zero {
            return tell(.answered(.failed(ActorError(.noTime, "no time was left for the call of \(request.identity)"))))
        }
        if node.outgoing.count >= calls {
            return tell(.answered(.failed(ActorError(.overloaded, "\(calls) calls are under way; wait for some"))))
        }
        node.outgoing[number] = self
        node.counters.waiting.add(1)
        timer = node.loop.after(limit, self)
        if let host = node.knownHost(of: request.identity) { send(to: host) } else { askRegistry() }
    }

    // MARK: The host

    private func askRegistry() {
        hasAskedRegistry = true
        node.registry.get(node.key(of: request.identity)) { [weak self] result in
            guard let self, !hasEnded else { return }
            switch result {
            case .success(let entry?) where entry.value.text != host: send(to: entry.value.text)
            case .success: end(.failed(ActorError(.noHost, "nobody hosts \(request.identity)")))
            case .failure(let error): end(.failed(ActorError(error)))
            }
        }
    }

    private func send(to host: String) {
        self.host = host
        let subject = ActorNode.subject(of: host)
        guard BusSubject.fault(of: subject) == nil else {
            return end(.failed(ActorError(.noHost, "the registry names no host for \(request.identity)")))
        }
        let call = ActorInvocation(
            number: ActorCallNumber(caller: node.number, count: number), left: left, identity: request.identity,
            target: request.target, arguments: request.arguments)
        var headers = BusHeaders()
        if let trace = request.context.traceparent, ActorCall.isTraceparent(trace) {
            headers.add(ActorCall.header, trace)
        }
        sent = node.port.request(subject, ActorRequest.call(call).bytes, headers: headers, deadline: left) {
            [weak self] answer in self?.receive(answer)
        }
    }

    private func receive(_ answer: BusOutcome) {
        if hasEnded { return }
        sent = nil
        switch answer {
        case .success(let message): receive(ActorAnswer(message.payload))
        case .failure(.noResponders): isNotThere(ActorError(.noHost, "the host of \(request.identity) has gone"))
        case .failure(let error): end(.failed(ActorError(error)))
        }
    }

    private func receive(_ answer: ActorAnswer?) {
        switch answer {
        case .failed(let error) where error.code == .noHost || error.code == .leaseLost: isNotThere(error)
        case let answer?: end(answer)
        case nil: end(.failed(ActorError(.unreadable, "the host of \(request.identity) has sent no answer of ours")))
        }
    }

    /// It has not been carried out. What is remembered here may be behind the registry.
    private func isNotThere(_ error: ActorError) { if hasAskedRegistry { end(.failed(error)) } else { askRegistry() } }

    // MARK: The end

    func timerFired(_ token: UInt64, on loop: Loop) {
        let wasSent = sent != nil
        let words = "\(request.identity) has not answered within \(limit)"
        end(.failed(wasSent ? ActorError(.timedOut, words) : ActorError(.registryAway, words)))
    }

    /// The host is told, so that it can stop; it may have done it all the same.
    func cancel() {
        if sent != nil, let host {
            let number = ActorCallNumber(caller: node.number, count: number)
            do throws(BusError) {
                try node.port.publish(ActorNode.subject(of: host), ActorRequest.cancel(number).bytes)
            } catch { node.counters.unsent.add(1) }  // It ends by its deadline.
        }
        close(.cancelled)
    }

    func end(_ answer: ActorAnswer) { close(.answered(answer)) }

    private func close(_ how: ActorCallEnd) {
        if hasEnded { return }
        hasEnded = true
        if let timer { node.loop.cancel(timer) }
        if let sent { node.port.cancel(sent) }
        node.outgoing[number] = nil
        node.counters.waiting.add(-1)
        tell(how)
    }

    private func tell(_ how: ActorCallEnd) {
        switch how {
        case .answered(let answer): node.counters.called(answer.outcome)
        case .cancelled: node.counters.called("cancelled")
        }
        node.counters.duration.record(from: began, to: node.loop.now)
        request.answer.give(how)
    }
}
