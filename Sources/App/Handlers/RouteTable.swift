import OmniwayWire

/// Finds what a route leads to by the bytes of a message: no text is made of them. Its size is that of the app's own
/// routes, whatever clients ask for.
struct RouteTable: Sendable {
    struct Entry: Sendable {
        /// In full, with the server's type.
        let route: String
        let handler: Handler
        /// Nothing around it or in it waits for anything.
        let isPlain: Bool
    }

    private(set) var entries: [Entry] = []
    /// Keys with the entries that they lead to, at places that follow from the keys' bytes.
    private var slots: [(key: [UInt8], entry: Int)?] = []
    private var codes: [UInt16: Int] = [:]

    /// Each handler is found with the type in front and without.
    init(
        _ handlers: [(route: PomeloRoute, handler: Handler)], type: String, isPlain: Bool,
        _ dictionary: PomeloDictionary
    ) {
        var size = 8
        while size < handlers.count * 4 { size *= 2 }
        slots = Array(repeating: nil, count: size)
        for (route, handler) in handlers {
            let full = "\(type).\(route.short)"
            entries.append(Entry(route: full, handler: handler, isPlain: isPlain && handler.body.isPlain))
            for text in [full, route.short] { insert(Array(text.utf8), entries.count - 1) }
        }
        for (route, code) in dictionary.pairs {
            codes[code] = find(unsafe Array(route.utf8).span.bytes)  // Safe: bytes have no padding.
        }
    }

    private mutating func insert(_ key: [UInt8], _ entry: Int) {
        var index = Self.hash(unsafe key.span.bytes) & (slots.count - 1)  // Safe: bytes have no padding.
        while slots[index] != nil { index = (index + 1) & (slots.count - 1) }
        slots[index] = (key, entry)
    }

    /// FNV-1a: the keys are ours, so nobody can choose them to collide; long texts of clients are no keys.
    private static func hash(_ bytes: RawSpan) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in 0..<bytes.byteCount { hash = (hash ^ UInt64(bytes.byte(index))) &* 0x100_0000_01b3 }
        return Int(truncatingIfNeeded: hash ^ hash >> 32)
    }

    func find(_ route: RawSpan) -> Int? {
        var index = Self.hash(route) & (slots.count - 1)
        while let slot = slots[index] {
            if slot.key.count == route.byteCount, unsafe slot.key.span.bytes.isEqual(to: route) { return slot.entry }
            index = (index + 1) & (slots.count - 1)
        }
        return nil
    }

    func find(_ code: UInt16) -> Int? { codes[code] }
}

extension RawSpan {
    fileprivate func isEqual(to other: RawSpan) -> Bool {
        for index in 0..<byteCount where byte(index) != other.byte(index) { return false }
        return true
    }
}
