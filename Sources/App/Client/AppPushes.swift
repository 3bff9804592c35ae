import OmniwayTelemetry

/// What a server pushes to a route, as values, until the client ends. One that is no such value is counted, and passed
/// over. Who iterates twice shares the pushes out; who asks twice gets all of them twice.
public struct AppPushes<Message>: AsyncSequence, Sendable {
    private let listening: Listening

    init(_ route: String, of client: AppClient) { listening = Listening(route, client) }

    public func makeAsyncIterator() -> Iterator { Iterator(listening: listening) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let listening: Listening

        /// Nil when the client has ended, and when the task was cancelled.
        public func next(isolation: isolated (any Actor)? = #isolation) async -> Message? {
            while let body = await listening.queue.next() {
                if let message = listening.client.read(Message.self, body, listening.route) { return message }
            }
            return nil
        }
    }

    fileprivate final class Listening: Sendable {
        let route: String
        let client: AppClient
        let queue: NewestQueue<[UInt8]>

        init(_ route: String, _ client: AppClient) {
            (self.route, self.client, queue) = (route, client, client.table.listen(to: route))
        }

        deinit { client.table.remove(queue, from: route) }
    }
}

extension PushTable {
    /// A push as a value; nil when it is none.
    func read<Message>(
        _ type: Message.Type, _ body: [UInt8], _ route: String, by serializer: any Serializer
    ) -> Message? {
        do {
            return try serializer.value(type, from: body)
        } catch {
            couldNotRead()
            Log.shared.warning("push not read", ["route": route, "type": "\(type)", "error": "\(error)"])
            return nil
        }
    }
}
