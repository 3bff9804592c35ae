/// Finds the number of a route by its bytes in a message: no text is made of them. Its size is that of the routes it
/// knows, whatever clients ask for.
package struct PomeloRouteIndex: Sendable {
    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        var start = 0
        var count = 0
        /// Negative where nothing is.
        var value = -1
    }

    private let slots: [Slot]
    /// The bytes of all routes, one behind the other.
    private let keys: [UInt8]

    /// No route may stand twice.
    package init(_ routes: [(route: String, value: Int)]) {
        var size = 8
        while size < routes.count * 2 { size *= 2 }
        var slots = Array(repeating: Slot(), count: size)
        var keys: [UInt8] = []
        for (route, value) in routes {
            let key = Array(route.utf8)
            let hash = Self.hash(unsafe key.span.bytes)  // Safe because bytes have no padding.
            var index = Self.place(hash, of: size)
            while slots[index].value >= 0 { index = (index + 1) % size }
            slots[index] = Slot(hash: hash, start: keys.count, count: key.count, value: value)
            keys += key
        }
        (self.slots, self.keys) = (slots, keys)
    }

    package func find(_ route: RawSpan) -> Int? {
        let hash = Self.hash(route)
        var index = Self.place(hash, of: slots.count)
        while true {
            let slot = slots[index]
            if slot.value < 0 { return nil }
            if slot.hash == hash, slot.count == route.byteCount, holds(route, at: slot.start) { return slot.value }
            index = (index + 1) & (slots.count - 1)
        }
    }

    private static func place(_ hash: UInt64, of size: Int) -> Int {
        Int(truncatingIfNeeded: hash ^ hash >> 32) & (size - 1)
    }

    private func holds(_ route: RawSpan, at start: Int) -> Bool {
        let key = unsafe keys.span.bytes.extracting(start..<start + route.byteCount)  // Safe: no padding.
        let last = route.byteCount - 8
        guard last > 0 else { return key.word(at: 0) == route.word(at: 0) }
        var index = 0
        while index < last {
            guard key.fullWord(at: index) == route.fullWord(at: index) else { return false }
            index += 8
        }
        return key.word(at: last) == route.word(at: last)
    }

    /// Eight bytes at a time. Nobody but the application puts keys in, so nobody can choose them to collide.
    private static func hash(_ bytes: RawSpan) -> UInt64 {
        var hash = UInt64(bytes.byteCount) &* 0x9e37_79b9_7f4a_7c15
        var index = 0
        while index < bytes.byteCount {
            hash = (hash ^ bytes.word(at: index)) &* 0x9e37_79b9_7f4a_7c15
            hash ^= hash >> 29
            index += 8
        }
        return hash
    }
}

extension RawSpan {
    /// The eight bytes from a place on; of the last fewer, those before it in their stead.
    @inline(__always)
    fileprivate func word(at index: Int) -> UInt64 {
        guard byteCount >= 8 else {
            var word: UInt64 = 0
            for index in 0..<byteCount { word = word << 8 | UInt64(byte(index)) }
            return word
        }
        return fullWord(at: min(index, byteCount - 8))
    }

    @inline(__always)
    fileprivate func fullWord(at index: Int) -> UInt64 {
        // Safe because its callers know that eight bytes are there, and any of them make an integer.
        unsafe unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
    }
}
