import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// A client on its loop: its connections, one after the other, and the requests under way. `AppClient` is its name for
/// everybody else.
///
/// A message belongs to the connection that is there when it is sent. When that is lost it fails: nobody knows whether
/// the server has seen it, and the server knows nobody on the next connection yet.
final class ClientSession {
    let loop: Loop
    let settings: AppClientSettings
    let pushes: PushTable
    let states: ClientStates
    private let dialer: any Dialer
    private var phase = Phase.connecting
    private var connection: ClientConnection?
    private var renewal: StartedTask?
    private var attempt = 0
    private var failures = 0
    private var joinedAt: Moment?
    /// Of the attempt to connect, or of the pause before the next.
    private var timer: TimerID?
    /// Whoever makes the client, until it is connected for the first time.
    private var maker: ClientPromise<Void>?
    private var underWay: [UInt64: Waiting] = [:]
    private var waiting: [Waiting] = []
    private var name: LoopLocal<ClientSession>?
    private(set) var mailbox: Mailbox<ClientWork>?

    private enum Phase { case connecting, joined, pausing, ended }
    private struct Waiting {
        let call: ClientCall
        let timer: TimerID
    }

    init(_ settings: AppClientSettings, over dialer: any Dialer, on loop: Loop, _ maker: ClientPromise<Void>) {
        (self.settings, self.dialer, self.loop, self.maker) = (settings, dialer, loop, maker)
        pushes = PushTable(most: settings.mostPushes, bytes: settings.mostPushBytes)
        states = ClientStates()
        name = loop.name(self)
        mailbox = loop.mailbox { [weak self] work in if let self { work(self) } }
        connect()
    }

    /// The loop has ended before anybody else ended this.
    deinit {
        maker?.fulfil(.failure(AppClientError.lost(.shutdown)))
        states.enter(.ended(.lost(.shutdown)))
        pushes.end()
    }

    // MARK: Connecting

    private func connect() {
        phase = .connecting
        attempt += 1
        timer = loop.after(settings.connectLimit, self, token: Self.lifeToken)
        guard let renew = settings.renewHandshake else { return dial(settings.handshake) }
        renewal = loop.start(Renewal(self, attempt, renew))
        if renewal == nil { lost(.noHandshake.with("the loop has too much async work under way")) }
    }

    private final class Renewal: LoopTask {
        private let session: ClientSession
        private let attempt: Int
        private let renew: nonisolated(nonsending) (inout Handshake) async throws -> Void

        init(
            _ session: ClientSession, _ attempt: Int,
            _ renew: nonisolated(nonsending) @escaping @Sendable (inout Handshake) async throws -> Void
        ) {
            (self.session, self.attempt, self.renew) = (session, attempt, renew)
        }

        nonisolated(nonsending) func run() async {
            var handshake = session.settings.handshake
            do {
                try await renew(&handshake)
                session.renewed(handshake, attempt)
            } catch { session.notRenewed(error, attempt) }
        }
    }

    private func isCurrent(_ attempt: Int) -> Bool { attempt == self.attempt && phase == .connecting }

    private func renewed(_ handshake: Handshake, _ attempt: Int) {
        guard isCurrent(attempt) else { return }
        renewal = nil
        dial(handshake)
    }

    private func notRenewed(_ error: any Error, _ attempt: Int) {
        guard isCurrent(attempt) else { return }
        lost(.noHandshake.with("\(error)"), error)
    }

    private func dial(_ handshake: Handshake) {
        let connection: ClientConnection
        do throws(PomeloError) {
            connection = try ClientConnection(self, saying: handshake)
        } catch { return lost(.noHandshake.with("\(error)")) }
        self.connection = connection
        if let link = dialer.dial(on: loop, deadline: settings.connectLimit, handler: connection) {
            connection.dials(link)
        } else {
            lost(.tooManyLinks.with("the loop has no room for the connection"))
        }
    }

    func joined(_ connection: ClientConnection) {
        guard connection === self.connection, phase == .connecting else { return }
        cancelTimer()
        phase = .joined
        joinedAt = loop.now
        states.enter(.connected)
        exchange(&maker, with: nil)?.fulfil(.success(()))
    }

    // MARK: Losing

    func ended(_ connection: ClientConnection, _ reason: CloseReason) {
        if connection === self.connection { lost(reason) }
    }

    /// The error is for whoever makes the client.
    private func lost(_ reason: CloseReason, _ error: (any Error)? = nil) {
        guard phase != .ended else { return }
        cancelTimer()
        leaveConnection()
        if let maker = exchange(&maker, with: nil) {
            maker.fulfil(.failure(error ?? AppClientError.lost(reason)))
            return end(.lost(reason))
        }
        guard let reconnect = settings.reconnect, reason != .shutdown else { return end(.lost(reason)) }
        // A server that lets clients in and drops them at once is not to be asked without pause.
        if let joinedAt, loop.now - joinedAt >= reconnect.longest { failures = 0 }
        joinedAt = nil
        let pause = reconnect.pause(after: failures, chance: loop.random.next())
        failures += 1
        phase = .pausing
        timer = loop.after(pause, self, token: Self.lifeToken)
        failAll(.lost(reason))
        states.enter(.lost(reason))
    }

    private func leaveConnection() {
        connection = nil
        renewal?.cancel()
        renewal = nil
    }

    /// For good. What was written still goes out.
    func end(_ error: AppClientError) {
        guard phase != .ended else { return }
        phase = .ended
        cancelTimer()
        let link = connection?.link
        leaveConnection()
        if error == .disconnected { link?.close(.done) }
        exchange(&maker, with: nil)?.fulfil(.failure(error))
        failAll(error)
        name?.release(on: loop)
        if let mailbox { loop.remove(mailbox) }
        (name, mailbox) = (nil, nil)
        states.enter(.ended(error))
        pushes.end()
    }

    private func cancelTimer() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    // MARK: Messages

    func send(_ call: ClientCall) {
        guard !call.promise.isFulfilled else { return }  // Cancelled already.
        guard phase == .joined, let connection else { return call.fail(states.whyNot ?? .disconnected) }
        let mayLeave = connection.hasRoom && (!call.isAnswered || underWay.count < settings.mostRequests)
        guard mayLeave || waiting.count < settings.mostWaiting else {
            return call.fail(AppClientError.tooManyWaiting(waiting.count))
        }
        waiting.append(Waiting(call: call, timer: loop.after(call.limit, self, token: call.id)))
        sendWaiting()
    }

    /// As long as there is room. Notifies need not wait for the answers to requests.
    func sendWaiting() {
        var index = 0
        while index < waiting.count, let connection, connection.hasRoom {
            if waiting[index].call.isAnswered, underWay.count >= settings.mostRequests {
                index += 1
            } else {
                send(waiting.remove(at: index), over: connection)
            }
        }
    }

    private func send(_ waiting: Waiting, over connection: ClientConnection) {
        let call = waiting.call
        do throws(PomeloError) {
            try connection.send(call)
            if call.isAnswered { return underWay[call.id] = waiting }
            call.promise.fulfil(.success(ClientAnswer()))
        } catch { call.fail(AppClientError.unsendable("\(error)")) }
        loop.cancel(waiting.timer)
    }

    func answered(_ id: UInt64, _ answer: ClientAnswer) {
        guard let answered = take(id) else { return }  // Too late, or never asked.
        answered.promise.fulfil(.success(answer))
        sendWaiting()
    }

    func cancel(_ id: UInt64) {
        if take(id) != nil { sendWaiting() }
    }

    /// A message that is given up or answered.
    private func take(_ id: UInt64) -> ClientCall? {
        let found =
            underWay.removeValue(forKey: id)
            ?? waiting.firstIndex { $0.call.id == id }.map { waiting.remove(at: $0) }
        if let found { loop.cancel(found.timer) }
        return found?.call
    }

    private func failAll(_ error: AppClientError) {
        let sent = exchange(&underWay, with: [:]).values.sorted { $0.call.id < $1.call.id }
        for one in sent + exchange(&waiting, with: []) {
            loop.cancel(one.timer)
            one.call.fail(error)
        }
    }
}

extension ClientSession: TimerTarget {
    /// Others are the ids of messages.
    private static var lifeToken: UInt64 { 0 }

    func timerFired(_ token: UInt64, on loop: Loop) {
        guard token == Self.lifeToken else { return missed(token) }
        timer = nil
        switch phase {
        case .pausing: connect()
        case .connecting where connection != nil: connection?.deadlinePassed()
        case .connecting: lost(.noHandshake.with("it was not made within \(settings.connectLimit)"))
        case .joined, .ended: break
        }
    }

    private func missed(_ id: UInt64) {
        guard let call = take(id) else { return }
        let what = call.isAnswered ? "no answer" : "not sent"
        call.fail(AppError(AppError.noAnswer, "\(what) within \(call.limit)", metadata: ["route": call.route]))
        sendWaiting()
    }
}

/// What tasks have a client do, on its loop.
typealias ClientWork = @Sendable (ClientSession) -> Void

/// A message on its way to the server. Dropped, it has failed.
final class ClientCall: Sendable {
    /// Of this client, for all its connections: an answer never meets another's request.
    let id: UInt64
    let route: String
    let body: [UInt8]
    let isAnswered: Bool
    let limit: Duration
    let promise: ClientPromise<ClientAnswer>

    init(
        _ id: UInt64, _ route: String, _ body: [UInt8], isAnswered: Bool, within limit: Duration,
        _ promise: ClientPromise<ClientAnswer>
    ) {
        (self.id, self.route, self.body, self.isAnswered) = (id, route, body, isAnswered)
        (self.limit, self.promise) = (limit, promise)
    }

    deinit { fail(AppClientError.lost(.shutdown)) }

    func fail(_ error: any Error) { promise.fulfil(.failure(error)) }
}

struct ClientAnswer: Sendable {
    var body: [UInt8] = []
    var isError = false
}
