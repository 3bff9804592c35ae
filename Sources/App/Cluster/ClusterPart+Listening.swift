import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

extension ClusterPart {
    /// Hears what others want of this server, on the first loop for all of them. It waits until `serve`: another server
    /// may have the name.
    func listen() throws(BusError) {
        if listening != nil || hasEnded { return }
        let calls = try port.subscribe(ClusterSubject.server(own.type, own.id)) { [unowned self] message in
            guard let call = IncomingCall(message.payload, reply: message.replySubject) else {
                return shard.counters.unrouted.add(1)
            }
            pass(call)
        }
        calls.pause()
        listening = calls
    }

    /// The name is this server's, as far as anybody can say.
    func serve() { listening?.resume() }

    /// What has come is another server's.
    func stopListening() { exchange(&listening, with: nil)?.cancel() }

    /// Hears of logins at other frontends.
    func followLogins() throws(BusError) {
        guard own.isFrontend, settings.uniqueSessions else { return }
        let bindings = try port.subscribe(ClusterSubject.bindings(own.type)) { [unowned self] message in
            guard let binding = try? PomeloProtos.BindMsg(protobuf: message.payload), let server = shard.server else {
                return
            }
            let revision = message.headers[Self.revisionHeader].flatMap { Int64($0) }
            for index in server.shards.indices {
                server.tell(index, .bound(user: binding.uid, at: binding.fid, revision: revision))
            }
        }
        keep(bindings)
    }

    /// Who sends from now on finds nobody, and turns to another server; what has been sent before comes still. Those
    /// who ask a frontend ask for sessions that are still there.
    func takeNoMore(within limit: Duration, then: @escaping (Int) -> Void) {
        guard !own.isFrontend, let calls = exchange(&listening, with: nil) else { return then(0) }
        let last = LastCalls(then)
        shard.loop.after(limit, last)  // A bus that stands still does not say that it was all.
        calls.drain { last.end() }
    }

    /// To the loop that handles it: all messages of a session on the same one, so that they stay in order.
    private func pass(_ call: IncomingCall) {
        guard let server = shard.server else { return }
        if let number = call.aboutSession {
            if let place = shard.directory.find(number: number) {
                return tell(server, place.loop, .serveSession(call, place.link), call)
            }
            return serve(call, about: nil)
        }
        guard server.shards.count > 1 else { return serve(call) }
        let loop: Int
        if call.request.type == .sys {
            loop = call.request.home(of: server.shards.count)
        } else {
            loop = nextLoop
            nextLoop = (nextLoop + 1) % server.shards.count
        }
        tell(server, loop, .serve(call), call)
    }

    private func tell(_ server: AppServer, _ loop: Int, _ mail: AppMail, _ call: IncomingCall) {
        if server.tell(loop, mail) { return }
        shard.counters.refused.add(1)
        Serving(self, call).fail(.tooMuch)
    }
}

private final class LastCalls: TimerTarget {
    private var then: ((Int) -> Void)?
    init(_ then: @escaping (Int) -> Void) { self.then = then }

    func end() { exchange(&then, with: nil)?(0) }
    func timerFired(_ token: UInt64, on loop: Loop) { end() }
}

extension PomeloProtos.Request {
    /// The loop of the session, the same for all its messages.
    fileprivate func home(of loops: Int) -> Int {
        var hash = UInt64(bitPattern: session?.id ?? 0) &* 0x9e37_79b9_7f4a_7c15
        for byte in frontendID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int((hash >> 32) % UInt64(loops))
    }
}
