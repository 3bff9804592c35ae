import OmniwayTelemetry
import OmniwayTransport

/// Users under a name, to whom one says something at once. In the memory of this process.
///
/// A group with a time to live is gone when it was not renewed for so long; a renewal and a start of the app count it
/// from then.
public final class Groups: Sendable {
    fileprivate struct Group {
        var members: [String] = []
        var index: [String: Int] = [:]
        let life: Duration?
        var renewed: Moment?

        func isOver(at now: Moment?) -> Bool {
            guard let life, let renewed, let now else { return false }
            return now - renewed > life
        }
    }
    fileprivate struct State {
        var groups: [String: Group] = [:]
        /// Nil before the app starts: nothing grows older then.
        var clock: LoopClock?
        var swept: Moment?
    }
    private let state = Lock(State())
    private let limits: AppSettings.GroupLimits

    init(_ limits: AppSettings.GroupLimits) { self.limits = limits }

    /// Time counts from now on.
    func begin(_ clock: LoopClock) {
        state.withLock { state in
            state.clock = clock
            for name in state.groups.keys { state.groups[name]?.renewed = clock.now }
        }
    }

    /// Those that are there, sorted.
    public var names: [String] {
        state.withLock { state in
            state.sweep()
            return state.groups.keys.sorted()
        }
    }

    /// Makes an empty group. With a `life` it is gone so long after its last renewal.
    public func create(_ name: String, life: Duration? = nil) throws(AppError) {
        precondition(life.map { $0 > .zero } ?? true, "a group's life is longer than nothing; nil for ever")
        let result = state.withLock { state -> Result<Void, AppError> in
            let now = state.clock?.now
            state.sweepNowAndThen(now)
            if let known = state.groups[name], !known.isOver(at: now) { return .failure(AppError.groupExists) }
            if state.groups.count >= limits.groups { state.sweep() }
            guard state.groups.count < limits.groups else { return .failure(limits.tooManyGroups) }
            state.groups[name] = Group(life: life, renewed: now)
            return .success(())
        }
        try result.get()
    }

    /// Lets a group live on, as long from now as it was made for.
    public func renew(_ name: String) throws(AppError) {
        try change(name) { group, now throws(AppError) in
            if group.life == nil { throw AppError(AppError.unknown, "memory group TTL not found") }
            group.renewed = now
        }
    }

    /// A user is in a group once.
    public func add(_ user: String, to name: String) throws(AppError) {
        if user.isEmpty { throw AppError.emptyUser }
        try change(name) { group, _ throws(AppError) in
            if group.index[user] != nil { throw AppError.alreadyMember }
            guard group.members.count < limits.members else { throw limits.tooManyMembers }
            group.index[user] = group.members.count
            group.members.append(user)
        }
    }

    /// The last member takes the place of who leaves.
    public func remove(_ user: String, from name: String) throws(AppError) {
        try change(name) { group, _ throws(AppError) in
            guard let place = group.index.removeValue(forKey: user) else {
                throw AppError.noMember
            }
            let last = group.members.removeLast()
            if last != user {
                group.members[place] = last
                group.index[last] = place
            }
        }
    }

    /// The group stays, empty, and as long as before.
    public func removeAll(from name: String) throws(AppError) {
        try change(name) { group, _ in (group.members, group.index) = ([], [:]) }
    }

    public func delete(_ name: String) throws(AppError) {
        let group = state.withLock { state in
            let now = state.clock?.now
            return state.groups.removeValue(forKey: name).flatMap { $0.isOver(at: now) ? nil : $0 }
        }
        if group == nil { throw AppError.noGroup }
    }

    /// In the order in which they came, but for who has taken the place of one that left.
    public func members(of name: String) throws(AppError) -> [String] { try find(name).members }

    public func count(of name: String) throws(AppError) -> Int { try find(name).members.count }

    public func contains(_ user: String, in name: String) throws(AppError) -> Bool {
        if user.isEmpty { throw AppError.emptyUser }
        return try find(name).index[user] != nil
    }

    private func find(_ name: String) throws(AppError) -> Group {
        let group = state.withLock { state in
            state.groups[name].flatMap { $0.isOver(at: state.clock?.now) ? nil : $0 }
        }
        guard let group else { throw AppError.noGroup }
        return group
    }

    private func change(
        _ name: String, _ body: (inout Group, Moment?) throws(AppError) -> Void
    ) throws(AppError) {
        let result = state.withLock { state -> Result<Void, AppError> in
            let now = state.clock?.now
            guard var group = state.groups.removeValue(forKey: name), !group.isOver(at: now) else {
                return .failure(AppError.noGroup)
            }
            let result = Result { () throws(AppError) in try body(&group, now) }
            state.groups[name] = group
            return result
        }
        try result.get()
    }
}

extension Groups.State {
    /// Forgets all whose time is over. Nobody sees those anyway; this is for the memory that they hold.
    fileprivate mutating func sweep() {
        guard let now = clock?.now else { return }
        swept = now
        groups = groups.filter { !$0.value.isOver(at: now) }
    }

    /// At most twice a minute: it looks at all.
    fileprivate mutating func sweepNowAndThen(_ now: Moment?) {
        guard let now else { return }
        if let swept, now - swept < .seconds(30) { return }
        sweep()
    }
}

extension AppSettings {
    /// How many groups there may be, and of how many.
    public struct GroupLimits: Sendable, Equatable {
        public var groups = 100_000
        /// Of one group.
        public var members = 100_000
        public init() {}

        var tooManyGroups: AppError {
            AppError(AppError.unknown, "there are \(groups) groups, as many as may be; delete some")
        }
        var tooManyMembers: AppError {
            AppError(AppError.unknown, "the group has \(members) members, as many as may be; use another one")
        }
    }
}
