import OmniwayWire

/// Named values beside a payload, in their order: for a trace's context, for example.
public struct BusHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// A name and its value.
    public struct Field: Sendable, Equatable {
        public let name: String
        public let value: String
        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }
    /// All of them, in their order.
    public private(set) var fields: [Field]

    public init(_ fields: [Field] = []) { self.fields = fields }
    public init(dictionaryLiteral fields: (String, String)...) { self.fields = fields.map { Field($0.0, $0.1) } }

    /// There are none.
    public var isEmpty: Bool { fields.isEmpty }

    /// The first value of that name, in any case.
    public subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// Puts one behind the others, also one of the same name.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name, value)) }

    init(block: RawSpan) { fields = NATSHeaderBlock.fields(of: block).map { Field($0.name, $0.value) } }

    /// Empty when there are none.
    func block() throws(BusError) -> [UInt8] {
        if fields.isEmpty { return [] }
        guard let block = NATSHeaderBlock.encode(fields.map { ($0.name, $0.value) }) else { throw .badHeaders }
        return block
    }
}
