import OmniwayTelemetry

/// Users under a name, to whom one says something at once. In the memory of this process.
public final class Groups: Sendable {
    private struct Group {
        var members: [String] = []
        var index: [String: Int] = [:]
    }
    private let groups = Lock<[String: Group]>([:])

    public var names: [String] { groups.withLock { $0.keys.sorted() } }

    public func create(_ name: String) throws(AppError) {
        let isNew = groups.withLock { groups in
            if groups[name] != nil { return false }
            groups[name] = Group()
            return true
        }
        if !isNew { throw AppError(AppError.unknown, "group already exists") }
    }

    public func add(_ user: String, to name: String) throws(AppError) {
        if user.isEmpty { throw AppError(AppError.unknown, "empty uid") }
        try change(name) { group throws(AppError) in
            if group.index[user] != nil { throw AppError(AppError.unknown, "member already exists in group") }
            group.index[user] = group.members.count
            group.members.append(user)
        }
    }

    /// The last member takes the place of who leaves.
    public func remove(_ user: String, from name: String) throws(AppError) {
        try change(name) { group throws(AppError) in
            guard let place = group.index.removeValue(forKey: user) else {
                throw AppError(AppError.unknown, "member not found in the group")
            }
            let last = group.members.removeLast()
            if last != user {
                group.members[place] = last
                group.index[last] = place
            }
        }
    }

    public func removeAll(from name: String) throws(AppError) { try change(name) { group in group = Group() } }

    public func delete(_ name: String) throws(AppError) {
        if groups.withLock({ $0.removeValue(forKey: name) }) == nil { throw Self.notFound }
    }

    public func members(of name: String) throws(AppError) -> [String] {
        guard let members = groups.withLock({ $0[name]?.members }) else { throw Self.notFound }
        return members
    }

    public func count(of name: String) throws(AppError) -> Int { try members(of: name).count }

    public func contains(_ user: String, in name: String) throws(AppError) -> Bool {
        if user.isEmpty { throw AppError(AppError.unknown, "empty uid") }
        guard let found = groups.withLock({ $0[name].map { $0.index[user] != nil } }) else { throw Self.notFound }
        return found
    }

    private static let notFound = AppError(AppError.unknown, "group not found")

    private func change(_ name: String, _ body: (inout Group) throws(AppError) -> Void) throws(AppError) {
        let result = groups.withLock { groups -> Result<Void, AppError> in
            guard var group = groups.removeValue(forKey: name) else { return .failure(Self.notFound) }
            let result = Result { () throws(AppError) in try body(&group) }
            groups[name] = group
            return result
        }
        try result.get()
    }
}
