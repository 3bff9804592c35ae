extension JSON {
    /// A value that knows where it stands in the text it was read from, for errors of configuration.
    public struct Node: Sendable {
        /// The value itself.
        public let value: JSON
        private let place: Place
        private let text: [UInt8]

        init(_ value: JSON, _ place: Place, in text: [UInt8]) {
            (self.value, self.place, self.text) = (value, place, text)
        }

        /// Where the value begins.
        public var position: Position { Position(of: place.offset, in: text.span) }
        /// Where its key stands; nil for an element and for the whole document.
        public var keyPosition: Position? { place.keyOffset.map { Position(of: $0, in: text.span) } }

        /// The member of this key; nil when there is none, and when this is no object.
        public subscript(key: String) -> Node? {
            guard case .object(let object) = value else { return nil }
            return object.firstIndex { $0.key.hasSameBytes(as: key) }.map { child(object[$0].value, $0) }
        }

        /// An element; nil when there is none, and when this is no array.
        public subscript(index: Int) -> Node? { value[index].map { child($0, index) } }

        /// The members of an object, each with its node; empty when this is none.
        public var members: [(key: String, node: Node)] {
            guard case .object(let object) = value else { return [] }
            return object.enumerated().map { ($1.key, child($1.value, $0)) }
        }

        /// The elements of an array; empty when this is none.
        public var elements: [Node] {
            guard case .array(let elements) = value else { return [] }
            return elements.enumerated().map { child($1, $0) }
        }

        private func child(_ value: JSON, _ index: Int) -> Node { Node(value, place.children[index], in: text) }
    }

    /// Where a value stands, and the values in it, in their order.
    struct Place: Sendable {
        let offset: Int
        let keyOffset: Int?
        let children: [Place]
    }
}
