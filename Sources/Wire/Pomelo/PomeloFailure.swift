/// An error as peers tell it to each other: the body of a response with the error bit, and part of a server's answer to
/// another. In JSON or protobuf, as the application's other bodies.
package struct PomeloFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The protocol's own begin with PIT-; others are the application's.
    package var code: String
    package var message: String
    package var metadata: [String: String]

    package init(code: String = "", message: String = "", metadata: [String: String] = [:]) {
        (self.code, self.message, self.metadata) = (code, message, metadata)
    }

    package var description: String { code.isEmpty ? message : "\(code): \(message)" }

    /// By the bytes of the keys, so that equal errors are equal bytes.
    var sortedMetadata: [(key: String, value: String)] {
        metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
    }
}

extension PomeloFailure {
    /// As Go writes it: what is empty is left out.
    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) {
            if !code.isEmpty { $0.member("code", code) }
            if !message.isEmpty { $0.member("msg", message) }
            if !metadata.isEmpty {
                $0.object("metadata") { for (key, value) in sortedMetadata { $0.member(key, value) } }
            }
        }
        return bytes
    }

    /// Reads what another wrote, by Go's rules.
    package init(json bytes: RawSpan, limits: JSON.Reader.Limits) throws(PomeloError) {
        self.init()
        let fields = try PomeloFields(bytes, limits: limits)
        code = try fields.string("code")
        message = try fields.string("msg")
        for (key, value) in try fields.each(in: "metadata", { value throws(JSON.Mismatch) in try value.string() }) {
            metadata[key] = value
        }
    }
}
