import OmniwayTelemetry
import OmniwayTransport

extension ActorNode {
    /// A message for this host. What is no call is counted and forgotten: its sender would understand no answer.
    func receive(_ message: BusMessage) {
        switch ActorRequest(message.payload) {
        case .call(let call):
            guard let reply = message.reply, incoming[call.number] == nil else { return counters.nonsense.add(1) }
            let trace = message.headers[ActorCall.header].flatMap { ActorCall.isTraceparent($0) ? $0 : nil }
            do throws(ActorError) {
                let actor = try find(call)
                try IncomingCall(call, actor, reply, self, traceparent: trace).start()
            } catch { answer(reply, .failed(error)) }
        case .cancel(let number): incoming[number]?.cancel()
        case nil: counters.nonsense.add(1)
        }
    }

    private func find(_ call: ActorInvocation) throws(ActorError) -> any HostedActor {
        guard isHost else { throw ActorError(.leaseLost, "its host has lost its lease, or leaves") }
        guard let actor = table[call.identity] else {
            throw ActorError(.noHost, "\(call.identity) is not hosted there")
        }
        guard actor.has(call.target) else {
            throw ActorError(.refused, "\(call.identity.type) has no such method; are both programs of one version?")
        }
        guard incoming.count < settings.calls else {
            throw ActorError(.overloaded, "the host has \(settings.calls) calls under way; try again later")
        }
        guard underWay[call.identity, default: 0] < settings.callsPerActor else {
            throw ActorError(
                .overloaded, "\(call.identity) has \(settings.callsPerActor) calls under way; try again later")
        }
        return actor
    }

    func answer(_ reply: BusReply, _ answer: ActorAnswer) {
        counters.ran(answer)
        do throws(BusError) {
            try reply.send(answer.bytes)
        } catch {
            counters.unsent.add(1)
            guard case .tooLarge = error else { return }  // Otherwise the bus is away, and the caller knows.
            let words = "the result is larger than the bus carries: \(error)"
            do throws(BusError) {
                try reply.send(ActorAnswer.failed(ActorError(.tooLarge, words)).bytes)
            } catch { counters.unsent.add(1) }
        }
    }
}

/// A call from elsewhere while it is carried out.
final class IncomingCall: LoopTask, TimerTarget {
    private let call: ActorInvocation
    private let actor: any HostedActor
    private let reply: BusReply
    private let context: ActorCall
    private let node: ActorNode
    private var hasBegun = false
    private var hasEnded = false
    private var started: StartedTask?
    private var timer: TimerID?

    init(
        _ call: ActorInvocation, _ actor: any HostedActor, _ reply: BusReply, _ node: ActorNode, traceparent: String?
    ) {
        (self.call, self.actor, self.reply, self.node) = (call, actor, reply, node)
        var context = ActorCall()
        context.traceparent = traceparent
        context.ends = node.loop.now + call.left
        self.context = context
    }

    var number: ActorCallNumber { call.number }

    func start() throws(ActorError) {
        guard let started = node.loop.start(self) else {
            throw ActorError(.overloaded, "the host's loop has as many tasks as may be; try again later")
        }
        self.started = started
        node.incoming[call.number] = self
        node.underWay[call.identity, default: 0] += 1
        node.counters.running.add(1)
        timer = node.loop.after(call.left, self)
    }

    /// Nobody waits for it any more: its task is cancelled, which the method may ask for.
    func cancel() {
        started?.cancel()
        if !hasBegun { end(.failed(ActorError(.noTime, "its caller did not wait until it could begin"))) }
    }
    func timerFired(_ token: UInt64, on loop: Loop) { cancel() }

    nonisolated(nonsending) func run() async {
        hasBegun = true
        let handler = ActorResultHandler(node.settings)
        end(await Self.carryOut(actor, call, context, handler))
    }

    @concurrent private static func carryOut(
        _ actor: any HostedActor, _ call: ActorInvocation, _ context: ActorCall, _ handler: ActorResultHandler
    ) async -> ActorAnswer {
        do {
            try await ActorCall.$current.withValue(context) {
                try await actor.run(call.target, call.arguments, handler)
            }
            return handler.answer
        } catch {
            return .failed(ActorError(.refused, "\(call.identity.type) cannot be called so: \(error)"))
        }
    }

    private func end(_ answer: ActorAnswer) {
        if hasEnded { return }
        hasEnded = true
        if let timer { node.loop.cancel(timer) }
        node.incoming[call.number] = nil
        let count = node.underWay[call.identity, default: 1] - 1
        node.underWay[call.identity] = count > 0 ? count : nil
        node.counters.running.add(-1)
        node.answer(reply, answer)
        node.endIfDone()
    }
}
