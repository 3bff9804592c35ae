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

    /// What a caller says of a call itself.
    package struct Own: Sendable {
        package var id, type: String
        /// Nil where it calls because of no message.
        package var route: String?
        package var started: Int
        package var timeout, requestID: String

        package init(id: String, type: String, route: String?, started: Int, timeout: String, requestID: String) {
            (self.id, self.type, self.route, self.started) = (id, type, route, started)
            (self.timeout, self.requestID) = (timeout, requestID)
        }
    }

    /// Appends both as Go writes a map, the keys sorted. What the caller says stands over the others, but for the
    /// start, which is that of the first of all calls.
    package static func append(_ own: Own, over others: JSON.Object, to bytes: inout [UInt8]) {
        var others = Others(rest: others.sortedByKeys[...])
        JSON.Writer(escaping: .go).writeObject(to: &bytes) { writer in
            others.write(before: peerID, to: &writer)
            writer.member(peerID, own.id)
            others.write(before: peerType, to: &writer)
            writer.member(peerType, own.type)
            if let text = own.route {
                others.write(before: route, to: &writer)
                writer.member(route, text)
            }
            if !others.has(started) {
                others.write(before: started, to: &writer)
                writer.member(started, own.started)
            }
            others.write(before: timeout, to: &writer)
            writer.member(timeout, own.timeout)
            others.write(before: requestID, to: &writer)
            writer.member(requestID, own.requestID)
            others.write(before: nil, to: &writer)
        }
    }

    private struct Others {
        var rest: Slice<JSON.Object>

        func has(_ key: String) -> Bool { rest.contains { $0.key.hasSameBytes(as: key) } }

        /// All that stand before a key, or all that are left. That key itself is dropped.
        mutating func write(before key: String?, to writer: inout JSON.ObjectWriter) {
            while let next = rest.first {
                if let key {
                    if key.utf8.lexicographicallyPrecedes(next.key.utf8) { return }
                    if next.key.hasSameBytes(as: key) {
                        rest = rest.dropFirst()
                        return
                    }
                }
                writer.member(next.key, next.value)
                rest = rest.dropFirst()
            }
        }
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
        if isEmpty { return self }
        return JSON.Object(
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
