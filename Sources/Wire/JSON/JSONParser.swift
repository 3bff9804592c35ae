/// One document being read. It keeps its own stack: however deep a peer nests, that of the thread does not grow.
struct JSONParser: ~Escapable {
    typealias Failure = JSON.ReadError

    let bytes: Span<UInt8>
    let settings: JSON.Reader
    var offset = 0
    /// A string or key whose bytes do not stand in the text as they are.
    var unescaped: [UInt8] = []

    /// An array or object that is not closed yet. Its children so far are the last of `elements` or `members`.
    struct Container {
        let isObject: Bool
        let offset: Int
        let firstChild: Int
        let firstPlace: Int
        var key = ""
        var keyOffset = 0
    }

    /// Only configuration asks where values stand; protocols need not pay for it.
    private var locates = false
    private(set) var open: [Container] = []
    private var elements: [JSON] = []
    private var members: [JSON.Object.Member] = []
    private var keyOffsets: [Int] = []
    private var places: [JSON.Place] = []
    private var valueCount = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ settings: JSON.Reader) {
        precondition(settings.limits.depth <= 1_000, "the limit of depth is above 1,000")
        (self.bytes, self.settings) = (bytes, settings)
    }

    mutating func readDocument() throws(Failure) -> JSON {
        try readWhole()
        return elements.removeLast()
    }

    mutating func readLocatedDocument() throws(Failure) -> (value: JSON, place: JSON.Place) {
        locates = true
        try readWhole()
        return (elements.removeLast(), places.removeLast())
    }

    private mutating func readWhole() throws(Failure) {
        guard bytes.count <= settings.limits.bytes else {
            throw .tooLong(bytes: bytes.count, limit: settings.limits.bytes)
        }
        try skipSpace()
        var isFinished = try readValue()
        while !isFinished || !open.isEmpty {
            isFinished = isFinished ? try readSeparator() : try readValue()
        }
        try skipSpace()
        guard offset == bytes.count else { throw failure(.documentEnd) }
    }

    /// False when the value is an array or object, and its first value comes next.
    private mutating func readValue() throws(Failure) -> Bool {
        let start = offset
        guard valueCount < settings.limits.values else {
            throw .tooManyValues(limit: settings.limits.values, at: position(of: start))
        }
        valueCount += 1
        guard let byte = peek() else { throw failure(.value) }
        switch byte {
        case "{": return try begin(isObject: true)
        case "[": return try begin(isObject: false)
        case "\"": add(.string(try readString()), at: start)
        case "-", "0"..."9": add(.number(try readNumber()), at: start)
        case "t" where skip(word: "true"): add(.bool(true), at: start)
        case "f" where skip(word: "false"): add(.bool(false), at: start)
        case "n" where skip(word: "null"): add(.null, at: start)
        case "'" where settings.grammar == .json5: add(.string(try readString()), at: start)
        case _ where settings.grammar == .json5 && "+.IN".utf8.contains(byte):
            add(.number(try readNumber()), at: start)
        default:
            let isFirst = open.last.map { $0.isObject || $0.firstChild == elements.count } ?? true
            throw failure(isFirst ? .value : .nextElement)
        }
        return true
    }

    /// True when the array or object is empty, and so finished.
    private mutating func begin(isObject: Bool) throws(Failure) -> Bool {
        guard open.count < settings.limits.depth else {
            throw .tooDeep(limit: settings.limits.depth, at: position(of: offset))
        }
        open.append(
            Container(
                isObject: isObject, offset: offset, firstChild: isObject ? members.count : elements.count,
                firstPlace: places.count))
        offset += 1
        try skipSpace()
        if peek() == (isObject ? "}" : "]") {
            try end()
            return true
        }
        if isObject {
            if members.isEmpty {  // Mostly it is one small object.
                members.reserveCapacity(8)
                keyOffsets.reserveCapacity(8)
            }
            try readKey(.key)
        }
        return false
    }

    /// What stands behind a value in an array or object. True when that ends there, false when another value follows.
    private mutating func readSeparator() throws(Failure) -> Bool {
        let isObject = open[open.count - 1].isObject
        let close: Unicode.Scalar = isObject ? "}" : "]"
        try skipSpace()
        if skip(",") {
            try skipSpace()
            guard settings.grammar == .json5 && peek() == close else {
                if isObject { try readKey(.nextKey) }
                return false
            }
        }
        guard peek() == close else { throw failure(isObject ? .memberEnd : .elementEnd) }
        try end()
        return true
    }

    /// Gives a finished value to the innermost container. The document itself becomes the only one of `elements`.
    private mutating func add(_ value: consuming JSON, at offset: Int, _ children: [JSON.Place] = []) {
        guard let innermost = open.indices.last, open[innermost].isObject else {
            elements.append(value)
            if locates { places.append(JSON.Place(offset: offset, keyOffset: nil, children: children)) }
            return
        }
        members.append(JSON.Object.Member(key: open[innermost].key, value: value))
        keyOffsets.append(open[innermost].keyOffset)
        if locates {
            places.append(JSON.Place(offset: offset, keyOffset: open[innermost].keyOffset, children: children))
        }
    }

    /// A key and its colon, up to the value.
    private mutating func readKey(_ expected: Failure.Expectation) throws(Failure) {
        let start = offset
        let key: String
        if peek() == "\"" || settings.grammar == .json5 && peek() == "'" {
            key = try readString()
        } else {
            guard settings.grammar == .json5 else { throw failure(expected) }
            key = try readBareKey(expected)
        }
        open[open.count - 1].key = key
        open[open.count - 1].keyOffset = start
        try skipSpace()
        guard peek() == ":" else { throw failure(.colon) }
        offset += 1
        try skipSpace()
    }

    /// Closes the innermost container, whose closing bracket is at the offset.
    private mutating func end() throws(Failure) {
        offset += 1
        if open[open.count - 1].isObject { try settleRepeatedKeys() }
        let container = open.removeLast()
        let first = container.firstChild
        var children: [JSON.Place] = []
        if locates {
            children = Array(places[container.firstPlace...])
            places.removeSubrange(container.firstPlace...)
        }
        if container.isObject {
            let object = JSON.Object(distinct: Array(members[first...]))
            members.removeSubrange(first...)
            keyOffsets.removeSubrange(first...)
            add(.object(object), at: container.offset, children)
        } else {
            let array = Array(elements[first...])
            elements.removeSubrange(first...)
            add(.array(array), at: container.offset, children)
        }
    }

    private mutating func settleRepeatedKeys() throws(Failure) {
        let object = open[open.count - 1]
        let pairs = JSON.Object.repeatedKeys(in: members[object.firstChild...])
        guard let (earlier, later) = pairs.first else { return }
        guard settings.duplicateKeys == .keepLast else {
            throw .duplicateKey(
                members[later].key, first: position(of: keyOffsets[earlier]), at: position(of: keyOffsets[later]))
        }
        let dropped = Set(pairs.map(\.earlier))
        let toPlace = object.firstPlace - object.firstChild
        var kept = object.firstChild
        for index in kept..<members.count where !dropped.contains(index) {
            members.swapAt(kept, index)
            if locates { places.swapAt(kept + toPlace, index + toPlace) }
            kept += 1
        }
        members.removeSubrange(kept...)
        if locates { places.removeSubrange((kept + toPlace)...) }
    }

    // MARK: What the readers of strings and numbers share

    /// Steps over white space, and in JSON5 over comments.
    mutating func skipSpace() throws(Failure) {
        while let byte = peek() {
            switch byte {
            case " ", "\n", "\r", "\t": offset += 1
            default: guard settings.grammar == .json5, try skipJSON5Space(byte) else { return }
            }
        }
    }

    func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// Steps over a character if it stands at the offset.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == character else { return false }
        offset += 1
        return true
    }

    /// Steps over a word if it stands at the offset.
    mutating func skip(word: String) -> Bool {
        guard bytes.count - offset >= word.utf8.count else { return false }
        var end = offset
        for byte in word.utf8 {
            guard bytes[end] == byte else { return false }
            end += 1
        }
        offset = end
        return true
    }
}
