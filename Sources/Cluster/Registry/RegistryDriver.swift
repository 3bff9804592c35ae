import OmniwayTransport

/// What a store must be able to do. A driver lives on the registry's own loop; its calls and its answers are there.
///
/// Deadlines, limits, leases that stay alive, lists that begin a watch, health: all that is written once, above it.
protocol RegistryDriver: AnyObject {
    /// Whom to tell what is heard of the store besides answers: what is wrong with it, or nil when it is well.
    var heard: ((RegistryError?) -> Void)? { get set }
    /// Answers once, whenever it can; an answer that comes after `deadline` is heard by nobody.
    func perform(
        _ request: DriverRequest, before deadline: Moment,
        _ answer: @escaping (Result<DriverAnswer, RegistryError>) -> Void)
    /// Gives the feed all changes of its keys from `feed.from` on, in order, each once, across losses of connection;
    /// or tells it that they are lost. Ends with the feed.
    func follow(_ feed: RegistryFeed)
    /// Nobody listens to it any more.
    func unfollow(_ feed: RegistryFeed)
    /// Lets go of everything.
    func close(_ done: @escaping () -> Void)
    /// From here on it is unreachable, or is again. Only for a store in memory.
    func simulateOutage(_ isAway: Bool)
}

extension RegistryDriver {
    func simulateOutage(_ isAway: Bool) {
        preconditionFailure("only a registry in memory can be taken away; stop the store itself")
    }
}

/// A transaction as drivers see it: leases are numbers.
struct DriverTransaction: Sendable {
    enum Operation: Sendable {
        case read(RegistryKeys, limit: Int, keysOnly: Bool)
        case count(RegistryKeys)
        case put(RegistryBytes, RegistryBytes, lease: Int64)
        case delete(RegistryKeys)

        var isWrite: Bool {
            switch self {
            case .read, .count: false
            case .put, .delete: true
            }
        }
    }
    var conditions: [RegistryCondition] = []
    var then: [Operation]
    var otherwise: [Operation] = []

    /// It changes nothing, so it may be sent twice.
    var onlyReads: Bool { !(then + otherwise).contains { $0.isWrite } }
}

enum DriverRequest: Sendable {
    case transaction(DriverTransaction)
    /// All of it, at one revision.
    case list(RegistryKeys, keysOnly: Bool)
    case grant(seconds: Int64)
    case keepAlive(lease: Int64)
    case revoke(lease: Int64)
    /// Forgets the changes up to this revision.
    case compact(Int64)

    /// It may have changed what is in the store.
    var mayWrite: Bool {
        switch self {
        case .transaction(let transaction): !transaction.onlyReads
        case .list, .grant, .keepAlive: false
        case .revoke, .compact: true
        }
    }
}

enum DriverAnswer: Sendable {
    case outcome(RegistryOutcome)
    case listing(RegistryListing)
    /// Granted, or still alive, for so long.
    case lease(id: Int64, seconds: Int64)
    case done
}
