import OmniwayTelemetry
public import OmniwayTransport
import Synchronization

/// A client of an app, for tasks: it asks, tells, and hears what the server pushes. It speaks the pomelo protocol over
/// any dialer.
///
/// ```swift
/// let client = try await AppClient(over: StreamDialer(address), on: loop)
/// let joined: Joined = try await client.request("room.join", Join(name: "Ann"))
/// try await client.notify("room.say", Words(text: "hello"))
/// for await words: Words in client.pushes("onWords") { print(words.text) }
/// ```
///
/// It comes back when its connection is lost, and ends when it is told to, when the server kicks or refuses it, and
/// when nobody holds it any more.
public final class AppClient: Sendable {
    public let settings: AppClientSettings
    let table: PushTable
    private let watched: ClientStates
    private let mailbox: Mailbox<ClientWork>
    private let lastID = Atomic<UInt64>(0)

    /// Returns when the server has let the client in. Throws an `AppClientError` when it does not, or nobody is there.
    public init(
        over dialer: some Dialer, on home: EventLoop, _ settings: AppClientSettings = AppClientSettings()
    ) async throws {
        try settings.check()
        let maker = ClientPromise<Void>()
        let made = await home.run { loop -> (Mailbox<ClientWork>, PushTable, ClientStates)? in
            let session = ClientSession(settings, over: dialer, on: loop, maker)
            return session.mailbox.map { ($0, session.pushes, session.states) }
        }
        guard let made else {
            try await maker.value()
            throw AppClientError.lost(.shutdown)
        }
        (self.settings, mailbox, table, watched) = (settings, made.0, made.1, made.2)
        let mailbox = mailbox
        try await withTaskCancellationHandler {
            try await maker.value()
        } onCancel: {
            maker.fulfil(.failure(CancellationError()))
            mailbox.post { $0.end(.disconnected) }
        }
    }

    deinit { mailbox.post { $0.end(.disconnected) } }

    // MARK: Asking and telling

    /// Asks, and waits for the answer. Values are written and read by the serializer; `[UInt8]` goes as it is.
    ///
    /// Throws the server's `AppError`; one with the code `AppError.noAnswer` when the time is over; an `AppClientError`
    /// when the connection is lost meanwhile, or there is none; `CancellationError` when the task is cancelled.
    public func request<In, Out>(
        _ route: String, _ value: In, within limit: Duration? = nil
    ) async throws -> Out {
        let answer = try await send(route, try body(of: value, route), isAnswered: true, limit)
        return try read(answer, route)
    }

    /// A request whose body does not matter.
    public func request<Out>(_ route: String, within limit: Duration? = nil) async throws -> Out {
        try read(try await send(route, [], isAnswered: true, limit), route)
    }

    /// Tells something that is not answered. Returns when it is on its way; it waits for that while the connection
    /// takes no more.
    public func notify<In>(_ route: String, _ value: In) async throws {
        _ = try await send(route, try body(of: value, route), isAnswered: false, nil)
    }

    public func notify(_ route: String) async throws { _ = try await send(route, [], isAnswered: false, nil) }

    private func send(
        _ route: String, _ body: [UInt8], isAnswered: Bool, _ limit: Duration?
    ) async throws -> ClientAnswer {
        let id = lastID.add(1, ordering: .relaxed).newValue
        let promise = ClientPromise<ClientAnswer>()
        post(ClientCall(id, route, body, isAnswered: isAnswered, within: limit ?? settings.requestLimit, promise))
        let mailbox = mailbox
        return try await withTaskCancellationHandler {
            try await promise.value()
        } onCancel: {
            promise.fulfil(.failure(CancellationError()))
            mailbox.post { $0.cancel(id) }
        }
    }

    private func post(_ call: ClientCall) {
        if !mailbox.post({ $0.send(call) }) { call.fail(watched.whyNot ?? .tooManyWaiting(settings.mostWaiting)) }
    }

    private func body<In>(of value: In, _ route: String) throws(AppClientError) -> [UInt8] {
        do {
            return try settings.serializer.body(of: value)
        } catch { throw .unsendable("\(route): \(error)") }
    }

    private func read<Out>(_ answer: ClientAnswer, _ route: String) throws -> Out {
        let serializer = settings.serializer
        if answer.isError {
            guard let error = try? serializer.decodeError(from: answer.body) else {
                throw AppClientError.unreadable("\(route): an error that is not one of the serializer's")
            }
            throw error
        }
        do {
            return try serializer.value(Out.self, from: answer.body)
        } catch { throw AppClientError.unreadable("\(route): \(error)") }
    }

    // MARK: Hearing

    /// What the server pushes to a route, for one task to iterate over. What has come before and nobody has asked for
    /// comes first. Of a task that is slow, the oldest are dropped and counted: the answers to requests must not wait.
    public func pushes<Message>(_ route: String, as type: Message.Type = Message.self) -> AppPushes<Message> {
        AppPushes(route, of: self)
    }

    /// Has the loop call a handler for each push to a route, in their order and before what comes after them. It must
    /// not block. It stays for the client's life, or until the route is given another one.
    public func on<Message>(_ route: String, _ handler: @escaping @Sendable (Message) -> Void) {
        let (table, serializer) = (table, settings.serializer)
        mailbox.post { session in
            session.pushes.handle(route) { body in
                if let message = table.read(Message.self, body, route, by: serializer) { handler(message) }
            }
        }
    }

    /// Has the loop call a handler for each push, as its bytes, to a route that nobody else has asked for. It must not
    /// block.
    public func onOthers(_ handler: @escaping @Sendable (_ route: String, _ body: [UInt8]) -> Void) {
        mailbox.post { $0.pushes.handleOthers(by: handler) }
    }

    func read<Message>(_ type: Message.Type, _ body: [UInt8], _ route: String) -> Message? {
        table.read(type, body, route, by: settings.serializer)
    }

    public var lostPushes: LostPushes { table.lost }

    // MARK: Its life

    public var state: State { watched.current }

    /// The state now, and each change from now on.
    public var states: AppClientStates { AppClientStates(watched) }

    /// Ends the client. What was sent before still goes out; requests without an answer fail.
    public func disconnect() { mailbox.post { $0.end(.disconnected) } }
}
