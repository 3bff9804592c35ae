/// The members of a JSON object as Go reads them into the fields of a struct: names in any case, null for a field that
/// is not there, another type for a fault.
struct PomeloFields {
    private let members: JSON.Object
    /// Where the object is, for errors: empty, or a name and a point.
    private let path: String

    init(_ bytes: RawSpan, limits: JSON.Reader.Limits) throws(PomeloError) {
        var reader = JSON.Reader.go
        reader.limits = limits
        let value: JSON
        do throws(JSON.ReadError) {
            value = try reader.read(bytes)
        } catch {
            throw .malformedJSON(error)
        }
        (members, path) = (
            try Self.value(of: value, at: "") { value throws(JSON.Mismatch) in try value.object() } ?? [:], ""
        )
    }

    private init(_ members: JSON.Object, at path: String) { (self.members, self.path) = (members, path) }

    func object(_ name: String) throws(PomeloError) -> JSON.Object {
        try value(of: name) { value throws(JSON.Mismatch) in try value.object() } ?? [:]
    }

    func fields(_ name: String) throws(PomeloError) -> PomeloFields {
        PomeloFields(try object(name), at: "\(path)\(name).")
    }

    func string(_ name: String) throws(PomeloError) -> String {
        try value(of: name) { value throws(JSON.Mismatch) in try value.string() } ?? ""
    }

    func bool(_ name: String) throws(PomeloError) -> Bool {
        try value(of: name) { value throws(JSON.Mismatch) in try value.bool() } ?? false
    }

    func int(_ name: String) throws(PomeloError) -> Int? {
        try value(of: name) { value throws(JSON.Mismatch) in try value.int() }
    }

    func double(_ name: String) throws(PomeloError) -> Double? {
        try value(of: name) { value throws(JSON.Mismatch) in try value.double() }
    }

    /// Of a member whose names are the peer's own choice.
    func each<Value>(
        in name: String, _ read: (JSON) throws(JSON.Mismatch) -> Value
    ) throws(PomeloError) -> [(key: String, value: Value)] {
        var result: [(key: String, value: Value)] = []
        for (key, value) in try object(name) {
            if let value = try Self.value(of: value, at: "\(path)\(name).\(key)", read) { result.append((key, value)) }
        }
        return result
    }

    private func value<Value>(
        of name: String, _ read: (JSON) throws(JSON.Mismatch) -> Value
    ) throws(PomeloError) -> Value? {
        guard let value = members[anyCase: name] else { return nil }
        return try Self.value(of: value, at: path + name, read)
    }

    private static func value<Value>(
        of value: JSON, at field: String, _ read: (JSON) throws(JSON.Mismatch) -> Value
    ) throws(PomeloError) -> Value? {
        guard let value = value.ifNotNull else { return nil }
        do throws(JSON.Mismatch) {
            return try read(value)
        } catch {
            throw .wrongField(field, error)
        }
    }
}
