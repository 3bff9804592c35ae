import OmniwayTelemetry
import OmniwayTransport
import Synchronization

/// Where a session is.
struct SessionPlace: Hashable, Sendable {
    let loop: Int
    let link: LinkID
    /// The session's number.
    let id: Int64
}

/// Which user is where: what the loops of an app share. Asked when somebody is bound, leaves, or is sent something by
/// name; never for a message of a session.
final class SessionDirectory: Sendable {
    private let users = Lock<[String: SessionPlace]>([:])
    /// By their numbers, where other servers ask for them.
    private let numbers = Lock<[Int64: SessionPlace]>([:])
    /// Users that are being bound on some loop, and how often.
    private let claimed = Lock<[String: Int]>([:])
    private let lastID: Atomic<Int64>
    private let open = Atomic<Int>(0)

    /// Sessions are counted from the number after this one. Servers of a cluster begin anywhere: what others still want
    /// of a session of its last life must not find another's.
    init(after last: Int64 = 0) { lastID = Atomic(last) }

    func newID() -> Int64 { lastID.add(1, ordering: .relaxed).newValue }

    /// Sessions that are open.
    var count: Int { open.load(ordering: .relaxed) }
    /// False when there are `most` already.
    func enter(most: Int) -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= most { return true }
        leave()
        return false
    }
    func leave() { open.subtract(1, ordering: .relaxed) }

    var userCount: Int { users.withLock { $0.count } }
    /// Some of the users, as they come.
    func names(most: Int) -> [String] { users.withLock { Array($0.keys.prefix(most)) } }

    /// The newest session of a user is the one. Returns the one before it.
    func bind(_ user: String, at place: SessionPlace) -> SessionPlace? {
        users.withLock { exchange(&$0[user], with: place) }
    }

    /// Forgets a user. False when a newer session has the name.
    @discardableResult
    func unbind(_ user: String, at place: SessionPlace) -> Bool {
        users.withLock { users in
            guard users[user] == place else { return false }
            users[user] = nil
            return true
        }
    }

    func beginClaim(_ user: String) { claimed.withLock { $0[user, default: 0] += 1 } }
    func endClaim(_ user: String) {
        claimed.withLock { claimed in
            let count = (claimed[user] ?? 0) - 1
            claimed[user] = count > 0 ? count : nil
        }
    }
    /// Nobody here has the name, and nobody is about to.
    func isFree(_ user: String) -> Bool { claimed.withLock { $0[user] == nil } && find(user) == nil }

    func publish(_ place: SessionPlace) { numbers.withLock { $0[place.id] = place } }
    func withdraw(_ number: Int64) { numbers.withLock { $0[number] = nil } }
    func find(number: Int64) -> SessionPlace? { numbers.withLock { $0[number] } }

    func find(_ user: String) -> SessionPlace? { users.withLock { $0[user] } }

    /// The places of many users by loop, and the users that are nowhere.
    func find(_ names: some Collection<String>, loops: Int) -> (places: [[LinkID]], absent: [String]) {
        users.withLock { users in
            var places = [[LinkID]](repeating: [], count: loops)
            var absent: [String] = []
            for name in names {
                if let place = users[name] { places[place.loop].append(place.link) } else { absent.append(name) }
            }
            return (places, absent)
        }
    }
}
