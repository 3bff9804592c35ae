import OmniwayTelemetry

/// The door into a loop: other threads post values, the loop takes them in order, one wake-up per batch.
public final class Mailbox<Message: Sendable>: Sendable {
    private let pending = Lock<[Message]?>([])  // Nil when nobody takes anything any more.
    private let limit: Int
    let index: Int
    private let executor: LoopExecutor

    init(limit: Int, index: Int, executor: LoopExecutor) {
        (self.limit, self.index, self.executor) = (limit, index, executor)
    }

    /// False when the loop is `limit` messages behind, or has ended; the sender then slows down or gives up.
    @discardableResult
    public func post(_ message: Message) -> Bool {
        let position = pending.withLock { queue -> Int in
            guard let count = queue?.count, count < limit else { return 0 }
            queue?.append(message)
            return count + 1
        }
        if position == 1 { executor.mailArrived(index) }
        return position > 0
    }

    func takeAll() -> [Message] {
        pending.withLock { queue in
            defer { if queue != nil { queue = [] } }
            return queue ?? []
        }
    }

    func close() { pending.withLock { $0 = nil } }
}

/// The loop's side of a mailbox, whatever it carries.
protocol MailSlot: AnyObject {
    func deliver()
    func close()
}

final class MailReceiver<Message: Sendable>: MailSlot {
    private let mailbox: Mailbox<Message>
    private let receive: (Message) -> Void

    init(_ mailbox: Mailbox<Message>, _ receive: @escaping (Message) -> Void) {
        (self.mailbox, self.receive) = (mailbox, receive)
    }

    func deliver() { for message in mailbox.takeAll() { receive(message) } }
    func close() { mailbox.close() }
}
