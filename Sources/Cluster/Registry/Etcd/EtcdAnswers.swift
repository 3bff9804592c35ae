import OmniwayWire

/// Reads what etcd's JSON API answers. Members that are zero, empty or false are left out there.
enum EtcdAnswers {
    /// Answers up to this size are read.
    static let mostBytes = 16 << 20
    private static let reader = JSON.Reader(
        malformedText: .replace, duplicateKeys: .keepLast, limits: JSON.Reader.Limits(bytes: mostBytes))

    static func read(_ bytes: [UInt8]) throws(RegistryError) -> JSON {
        do throws(JSON.ReadError) {
            return try reader.read(bytes)
        } catch { throw RegistryError(.damaged, "what answers is no etcd with a JSON API: \(error)") }
    }

    /// One result for each operation of the branch that was done, or it is no answer to this transaction.
    static func outcome(
        _ answer: JSON, of transaction: DriverTransaction
    ) throws(RegistryError) -> RegistryOutcome {
        let succeeded = answer.flag("succeeded")
        let (branch, responses) = (succeeded ? transaction.then : transaction.otherwise, answer.elements("responses"))
        guard branch.count == responses.count else { throw .unexpected("it did a transaction") }
        var results: [RegistryResult] = []
        for (operation, response) in zip(branch, responses) {
            if let range = response["response_range"] {
                if case .count = operation {
                    results.append(.count(Int(range.number("count"))))
                } else {
                    results.append(.entries(try entries(range), hasMore: range.flag("more")))
                }
            } else if let deletion = response["response_delete_range"] {
                results.append(.deleted(Int(deletion.number("deleted"))))
            } else if response["response_put"] != nil {
                results.append(.put)
            } else {
                throw .unexpected("it did an operation")
            }
        }
        return RegistryOutcome(succeeded: succeeded, revision: try revision(answer), results: results)
    }

    static func revision(_ answer: JSON) throws(RegistryError) -> Int64 {
        guard let revision = answer["header"]?.revision("revision"), revision > 0 else {
            throw .unexpected("it has a revision")
        }
        return revision
    }

    static func entries(_ range: JSON) throws(RegistryError) -> [RegistryEntry] {
        var entries: [RegistryEntry] = []
        for pair in range.elements("kvs") { entries.append(try entry(pair)) }
        return entries
    }

    static func changes(_ result: JSON) throws(RegistryError) -> [RegistryChange] {
        var changes: [RegistryChange] = []
        for event in result.elements("events") {
            guard let pair = event["kv"] else { throw .unexpected("it told an event") }
            let entry = try entry(pair)
            let isDeletion = event.text("type") == "DELETE"
            var previous: RegistryEntry?
            if let pair = event["prev_kv"] { previous = try self.entry(pair) }
            changes.append(
                RegistryChange(
                    key: entry.key, entry: isDeletion ? nil : entry, previous: previous, revision: entry.modified))
        }
        return changes
    }

    private static func entry(_ pair: JSON) throws(RegistryError) -> RegistryEntry {
        guard let key = Base64.decode(pair.text("key")), let value = Base64.decode(pair.text("value")) else {
            throw .unexpected("a key was given in base 64")
        }
        return RegistryEntry(
            key: RegistryBytes(key), value: RegistryBytes(value), created: pair.revision("create_revision"),
            modified: pair.revision("mod_revision"), version: pair.number("version"), lease: pair.number("lease"))
    }

    /// What etcd says against a request, in the body of an answer or within a stream.
    static func failure(_ answer: JSON) -> EtcdFailure {
        let error = answer["error"].flatMap { if case .object = $0 { $0 } else { nil } } ?? answer
        let message = error.text("message").isEmpty ? error.text("error") : error.text("message")
        let code = error["code"] == nil ? error.number("grpc_code") : error.number("code")
        return EtcdFailure(code: code, message: message)
    }
}

/// An error as gRPC has it.
struct EtcdFailure {
    let code: Int64
    let message: String

    private enum Code {
        static let invalid: Int64 = 3, notFound: Int64 = 5, denied: Int64 = 7, exhausted: Int64 = 8
        static let outOfRange: Int64 = 11, unavailable: Int64 = 14, unauthenticated: Int64 = 16, deadline: Int64 = 4
    }

    private func says(_ words: String) -> Bool { message.contains(words) }

    /// The token is too old, or of a member that was replaced; another one will do.
    var wantsToken: Bool {
        code == Code.unauthenticated || says("invalid auth token") || says("revision in header is old")
    }
    /// The cluster asks nobody who he is.
    var saysNoAuthentication: Bool { says("authentication is not enabled") }
    /// Nothing was done, and another member may do it.
    var isOfMember: Bool {
        says("no leader") || says("server stopped") || says("not capable") || says("learner")
    }

    var error: RegistryError {
        if says("database space exceeded") {
            return RegistryError(.full, "etcd: \(message); compact and defragment it, or raise its quota")
        }
        if says("compacted") { return RegistryError(.compacted, "etcd: \(message)") }
        if says("lease not found") { return RegistryError(.leaseLost, "etcd: \(message)") }
        if says("too large") || says("too many operations") { return RegistryError(.tooLarge, "etcd: \(message)") }
        if says("timed out") || code == Code.deadline { return RegistryError(.timedOut, "etcd: \(message)") }
        if says("auth") || says("user") || says("permission denied") || code == Code.denied || wantsToken {
            return RegistryError(.refused, "etcd: \(message); see the user's name, password and roles")
        }
        return switch code {
        case Code.invalid, Code.outOfRange: RegistryError(.invalid, "etcd: \(message)")
        case Code.exhausted: RegistryError(.overloaded, "etcd: \(message)")
        case Code.notFound where message == "Not Found":
            RegistryError(.refused, "the endpoint has no JSON API of etcd 3.4 or newer")
        default: RegistryError(isOfMember ? .unavailable : .interrupted, "etcd: \(message)")
        }
    }
}

extension JSON {
    /// A number that is written as a string, or not at all when it is zero.
    func number(_ key: String) -> Int64 {
        switch self[key] {
        case .string(let text): Int64(text) ?? 0
        case .number(let number): number.int64 ?? 0
        case nil, .null, .bool, .array, .object: 0
        }
    }
    /// A number that one may be added to, whatever a server says.
    func revision(_ key: String) -> Int64 { min(max(0, number(key)), 1 << 62) }
    func text(_ key: String) -> String { if case .string(let text) = self[key] { text } else { "" } }
    func flag(_ key: String) -> Bool { self[key] == .bool(true) }
    func elements(_ key: String) -> [JSON] { if case .array(let elements) = self[key] { elements } else { [] } }
}
