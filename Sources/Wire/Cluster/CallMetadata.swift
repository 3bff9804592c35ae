/// What travels with a call from server to server, as JSON: its id, when it began, how long it may take, who calls, and
/// whatever the application adds.
package enum CallMetadata {
    package static let requestID = "request.id"
    /// Nanoseconds since 1970.
    package static let started = "req-start-time"
    package static let route = "req-route"
    /// How long the caller waits, as Go writes a duration.
    package static let timeout = "reqTimeout"
    package static let peerID = "peer.id"
    package static let peerType = "peer.service"
    /// W3C trace headers.
    package static let trace = "otel-span"

    /// As Go writes a map: the keys sorted; nothing for an empty one.
    package static func bytes(_ values: JSON.Object) -> [UInt8] {
        values.isEmpty ? [] : JSON.Writer(escaping: .go).bytes(of: .object(values.sortedByKeys))
    }

    /// What another server sent. Nothing at all is not a map.
    package static func read(_ bytes: RawSpan) throws(Fault) -> JSON.Object {
        if bytes.isEmpty { throw .missing }
        var reader = JSON.Reader.go
        reader.limits = limits
        do {
            return try reader.read(bytes).object()
        } catch { throw .malformed("\(error)") }
    }
    private static let limits = JSON.Reader.Limits(bytes: 64 << 10, depth: 32)

    /// Why a call's metadata cannot be used.
    package enum Fault: Error, Equatable, CustomStringConvertible {
        case missing
        case malformed(String)

        package var description: String {
            switch self {
            case .missing: "no context found"
            case .malformed(let why): why
            }
        }
    }
}

extension JSON.Object {
    /// The same members in the order that Go writes a map in, all the way down.
    package var sortedByKeys: JSON.Object {
        JSON.Object(
            distinct: sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map { Member(key: $0.key, value: $0.value.sortedByKeys) })
    }
}

extension JSON {
    fileprivate var sortedByKeys: JSON {
        switch self {
        case .object(let object): .object(object.sortedByKeys)
        case .array(let elements): .array(elements.map(\.sortedByKeys))
        case .null, .bool, .number, .string: self
        }
    }
}
