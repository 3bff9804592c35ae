import OmniwayTelemetry
import OmniwayTransport
import Synchronization

/// What a registry is asked by those who use it.
enum RegistryQuestion: Sendable {
    case transaction(RegistryTransaction)
    case list(RegistryKeys, keysOnly: Bool)
    /// The same as the beginning of a watch.
    case beginning(RegistryKeys)
    case compact(Int64)
    case lease(seconds: Int64, RegistryLease.AfterLoss, @Sendable (RegistryLease.Event) -> Void)
    case revoke(lease: UInt64)
    /// Leases that nobody keeps here, by the store's numbers.
    case grant(seconds: Int64)
    case keepAlive(Int64)
    case end(Int64)
    case close
}

enum RegistryReply: Sendable {
    case outcome(RegistryOutcome)
    case listing(RegistryListing)
    case lease(RegistryLease)
    case granted(Int64, Duration)
    case done
}

/// What goes from anywhere to the loop on which the registry lives.
enum RegistryMail: Sendable {
    case ask(RegistryQuestion, within: Duration, RegistryAnswer)
    case follow(RegistryFeed)
    case unfollow(RegistryFeed)
    /// The lease does not keep this key any more.
    case forget(RegistryBytes, lease: UInt64)
    /// Nobody has the lease any more.
    case release(lease: UInt64)
    case outage(Bool)
}

/// The way to a registry's loop, for all threads.
final class RegistryDoor: Sendable {
    let limits: RegistryLimits
    private let mailbox: Mailbox<RegistryMail>
    private let calls = Atomic<Int>(0)
    private let state = Lock(RegistryHealth.good)

    init(_ mailbox: Mailbox<RegistryMail>, _ limits: RegistryLimits) { (self.mailbox, self.limits) = (mailbox, limits) }

    var health: RegistryHealth {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// `then` is called once, on any thread, whatever happens.
    func ask(
        _ question: RegistryQuestion, within limit: Duration,
        _ then: @escaping @Sendable (Result<RegistryReply, RegistryError>) -> Void
    ) {
        let count = calls.wrappingAdd(1, ordering: .relaxed).newValue
        let answer = RegistryAnswer { [self] result in
            calls.wrappingSubtract(1, ordering: .relaxed)
            then(result)
        }
        if count > limits.calls {
            answer.give(
                .failure(RegistryError(.overloaded, "\(limits.calls) calls are under way; wait for some of them")))
        } else {
            post(.ask(question, within: limit, answer))  // Refused mail lets go of the answer, which then says so.
        }
    }

    func post(_ mail: RegistryMail) { mailbox.post(mail) }
}

/// Somebody who waits for an answer, and gets exactly one: that the registry was closed, if everybody forgets him.
final class RegistryAnswer: Sendable {
    private let handler: Lock<(@Sendable (Result<RegistryReply, RegistryError>) -> Void)?>

    init(_ handler: @escaping @Sendable (Result<RegistryReply, RegistryError>) -> Void) { self.handler = Lock(handler) }
    deinit { give(.failure(.closed)) }

    func give(_ result: Result<RegistryReply, RegistryError>) {
        let handler = handler.withLock { exchange(&$0, with: nil) }
        handler?(result)
    }
}
