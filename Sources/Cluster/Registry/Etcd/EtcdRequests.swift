import OmniwayWire

/// What etcd's JSON API is asked: paths, and bodies with keys and values in base 64 and 64-bit numbers as strings.
struct EtcdRequest: Sendable {
    let path: String
    let body: [UInt8]
    /// It changes nothing, or nothing more when it is done twice.
    let isRepeatable: Bool

    private init(_ path: String, isRepeatable: Bool, _ members: (inout JSON.ObjectWriter) -> Void) {
        var body: [UInt8] = []
        JSON.Writer().writeObject(to: &body, members)
        (self.path, self.body, self.isRepeatable) = (path, body, isRepeatable)
    }

    static func authenticate(user: String, password: String) -> EtcdRequest {
        EtcdRequest("/v3/auth/authenticate", isRepeatable: true) {
            $0.member("name", user)
            $0.member("password", password)
        }
    }

    static func transaction(_ transaction: DriverTransaction) -> EtcdRequest {
        EtcdRequest("/v3/kv/txn", isRepeatable: transaction.onlyReads) {
            $0.array("compare") { for condition in transaction.conditions { $0.object { $0.condition(condition) } } }
            $0.array("success") { for operation in transaction.then { $0.object { $0.operation(operation) } } }
            $0.array("failure") { for operation in transaction.otherwise { $0.object { $0.operation(operation) } } }
        }
    }

    /// A page of a list: from a key on, at a revision, or at the latest with 0.
    static func page(
        of keys: RegistryKeys, from first: RegistryBytes?, limit: Int, keysOnly: Bool, revision: Int64
    ) -> EtcdRequest {
        EtcdRequest("/v3/kv/range", isRepeatable: true) {
            $0.keys(keys, from: first)
            $0.number("limit", Int64(limit))
            $0.number("revision", revision)
            $0.member("keys_only", keysOnly)
        }
    }

    static func watch(_ keys: RegistryKeys, from revision: Int64) -> EtcdRequest {
        EtcdRequest("/v3/watch", isRepeatable: true) {
            $0.object("create_request") {
                $0.keys(keys)
                $0.number("start_revision", revision)
                $0.member("prev_kv", true)
                $0.member("fragment", true)
            }
        }
    }

    static func grant(seconds: Int64) -> EtcdRequest {
        // A lease that nobody has heard of ends by itself.
        EtcdRequest("/v3/lease/grant", isRepeatable: true) { $0.number("TTL", seconds) }
    }
    static func keepAlive(_ lease: Int64) -> EtcdRequest {
        EtcdRequest("/v3/lease/keepalive", isRepeatable: true) { $0.number("ID", lease) }
    }
    static func revoke(_ lease: Int64) -> EtcdRequest {
        EtcdRequest("/v3/lease/revoke", isRepeatable: true) { $0.number("ID", lease) }
    }
    static func compact(_ revision: Int64) -> EtcdRequest {
        EtcdRequest("/v3/kv/compaction", isRepeatable: true) { $0.number("revision", revision) }
    }
}

extension JSON.ObjectWriter {
    fileprivate mutating func bytes(_ key: String, _ value: RegistryBytes) { member(key, Base64.encode(value.bytes)) }
    fileprivate mutating func number(_ key: String, _ value: Int64) { member(key, String(value)) }

    /// A zero byte stands for the beginning of all keys, and as an end for theirs.
    fileprivate mutating func keys(_ keys: RegistryKeys, from first: RegistryBytes? = nil) {
        let zero = RegistryBytes([0])
        let start = first ?? keys.first
        bytes("key", start.isEmpty ? zero : start)
        if case .prefix(let prefix) = keys { bytes("range_end", RegistryKeys.end(of: prefix) ?? zero) }
    }

    fileprivate mutating func condition(_ condition: RegistryCondition) {
        bytes("key", condition.key)
        switch condition.relation {
        case .equal: member("result", "EQUAL")
        case .notEqual: member("result", "NOT_EQUAL")
        case .less: member("result", "LESS")
        case .greater: member("result", "GREATER")
        }
        switch condition.side {
        case .created(let revision):
            member("target", "CREATE")
            number("create_revision", revision)
        case .modified(let revision):
            member("target", "MOD")
            number("mod_revision", revision)
        case .version(let version):
            member("target", "VERSION")
            number("version", version)
        case .value(let value):
            member("target", "VALUE")
            bytes("value", value)
        }
    }

    fileprivate mutating func operation(_ operation: DriverTransaction.Operation) {
        switch operation {
        case .read(let keys, let limit, let keysOnly):
            object("request_range") {
                $0.keys(keys)
                $0.number("limit", Int64(limit))
                $0.member("keys_only", keysOnly)
            }
        case .count(let keys):
            object("request_range") {
                $0.keys(keys)
                $0.member("count_only", true)
            }
        case .put(let key, let value, let lease):
            object("request_put") {
                $0.bytes("key", key)
                $0.bytes("value", value)
                $0.number("lease", lease)
            }
        case .delete(let keys): object("request_delete_range") { $0.keys(keys) }
        }
    }
}
