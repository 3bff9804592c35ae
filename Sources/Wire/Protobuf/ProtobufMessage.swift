/// A message whose fields are known.
protocol ProtobufMessage {
    /// Takes a field over. One of another number or wire type than the message has is ignored, as Go's decoder does.
    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError)
    /// Writes all fields in the order of their numbers.
    func write(to writer: inout ProtobufWriter)
}

extension ProtobufMessage {
    /// Reads fields over those that are there: of a field that comes twice, the last counts, and messages are merged.
    mutating func merge(_ bytes: RawSpan) throws(ProtobufError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() { try read(field, in: bytes) }
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        encode(to: &bytes)
        return bytes
    }

    func encode(to bytes: inout [UInt8]) {
        var writer = ProtobufWriter(exchange(&bytes, with: []))
        write(to: &writer)
        bytes = writer.bytes
    }
}

extension Optional where Wrapped: ProtobufMessage {
    mutating func merge(_ bytes: RawSpan, into new: Wrapped) throws(ProtobufError) {
        var message = self ?? new
        try message.merge(bytes)
        self = message
    }
}

extension RawSpan {
    /// The text of a field, which must be UTF-8.
    func text(_ range: Range<Int>, field: Int) throws(ProtobufError) -> String {
        var check = UTF8Check()
        guard check.check(extracting(range)), check.isComplete else { throw .notUTF8(field: field) }
        return text(range)
    }

    /// One entry of a map of texts.
    func mapEntry(_ range: Range<Int>) throws(ProtobufError) -> (key: String, value: String) {
        var entry = (key: "", value: "")
        let bytes = extracting(range)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let key)): entry.key = try bytes.text(key, field: 1)
            case (2, .bytes(let value)): entry.value = try bytes.text(value, field: 2)
            default: break
            }
        }
        return entry
    }
}
