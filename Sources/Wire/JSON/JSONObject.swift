extension JSON {
    /// Members in their order, each key once. Looking up a key looks at them one by one, which for the objects of
    /// protocols and configuration is faster than hashing; iterate to treat all members of a large one.
    public struct Object: Sendable {
        struct Member: Sendable {
            let key: String
            var value: JSON
        }

        private var members: [Member]

        /// An object without members.
        public init() { members = [] }

        /// The caller has seen to it that no key stands twice.
        init(distinct members: [Member]) { self.members = members }

        init(_ members: [(String, JSON)]) {
            self.members = members.map { Member(key: $0, value: $1) }
            if let (first, _) = Self.repeatedKeys(in: self.members[...]).first {
                preconditionFailure("the key \(members[first].0) stands twice")
            }
        }

        /// The value of exactly this key. A new key is added at the end, an old one keeps its place, and nil removes.
        public subscript(key: String) -> JSON? {
            get { members.first { $0.key.hasSameBytes(as: key) }?.value }
            set {
                let index = members.firstIndex { $0.key.hasSameBytes(as: key) }
                switch (index, newValue) {
                case (let index?, let value?): members[index].value = value
                case (let index?, nil): members.remove(at: index)
                case (nil, let value?): members.append(Member(key: key, value: value))
                case (nil, nil): break
                }
            }
        }

        /// The value of the last key that is this one but for upper and lower case, as Go finds the fields of a
        /// struct. The name must be ASCII; like Go's, the comparison takes U+017F for an s and U+212A for a k.
        package subscript(anyCase name: String) -> JSON? {
            precondition(name.utf8.allSatisfy { $0 < 0x80 }, "only ASCII names are compared without case")
            return members.last { $0.key.folds(to: name) }?.value
        }
    }
}

extension JSON.Object: RandomAccessCollection {
    public var startIndex: Int { members.startIndex }
    public var endIndex: Int { members.endIndex }
    /// The member at a position, counted from 0.
    public subscript(position: Int) -> (key: String, value: JSON) {
        (members[position].key, members[position].value)
    }
}

extension JSON.Object: Equatable {
    /// The order of members counts.
    public static func == (a: JSON.Object, b: JSON.Object) -> Bool {
        a.elementsEqual(b) { $0.key.hasSameBytes(as: $1.key) && $0.value == $1.value }
    }
}

extension JSON.Object: ExpressibleByDictionaryLiteral {
    /// No key may stand twice.
    public init(dictionaryLiteral members: (String, JSON)...) { self.init(members) }
}

extension String {
    /// The name is ASCII, and the other scalars that fold to it have more bytes.
    fileprivate func folds(to name: String) -> Bool {
        let more = utf8.count - name.utf8.count
        if more == 0 { return self == name || utf8.elementsEqual(name.utf8) { $0.folded == $1.folded } }
        return more > 0 && unicodeScalars.elementsEqual(name.unicodeScalars) { $0.folded == $1.folded }
    }
}

extension UInt8 {
    fileprivate var folded: UInt8 { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= self ? self | 0x20 : self }
}

extension Unicode.Scalar {
    /// The lower-case ASCII letter for what Go's simple case folding takes for one; everything else as it is.
    fileprivate var folded: Unicode.Scalar {
        switch self {
        case "A"..."Z": Unicode.Scalar(UInt8(value) | 0x20)
        case "\u{17f}": "s"
        case "\u{212a}": "k"
        default: self
        }
    }
}
