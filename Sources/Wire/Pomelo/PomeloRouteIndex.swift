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

    private var slots: [Slot]
    /// The bytes of all routes, one behind the other.
    private var keys: [UInt8] = []

    /// No route may stand twice.
    package init(_ routes: [(route: String, value: Int)]) {
        var size = 8
        while size < routes.count * 2 { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
        for (route, value) in routes {
            let key = Array(route.utf8)
            let hash = Self.hash(unsafe key.span.bytes)  // Safe because bytes have no padding.
            var index = place(hash)
            while slots[index].value >= 0 { index = next(index) }
            slots[index] = Slot(hash: hash, start: keys.count, count: key.count, value: value)
            keys += key
        }
    }

    package func find(_ route: RawSpan) -> Int? {
        let hash = Self.hash(route)
        var index = place(hash)
        while true {
            let slot = slots[index]
            if slot.value < 0 { return nil }
            if slot.hash == hash, slot.count == route.byteCount, holds(route, at: slot.start) { return slot.value }
            index = next(index)
        }
    }

    private func place(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1) }
    private func next(_ index: Int) -> Int { (index + 1) & (slots.count - 1) }

    private func holds(_ route: RawSpan, at start: Int) -> Bool {
        for index in 0..<route.byteCount where keys[start + index] != route.byte(index) { return false }
        return true
    }

    /// Eight bytes at a time. Nobody but the application puts keys in, so nobody can choose them to collide.
    private static func hash(_ bytes: RawSpan) -> UInt64 {
        var hash = UInt64(bytes.byteCount) &* 0x9e37_79b9_7f4a_7c15
        var index = 0
        while index + 8 <= bytes.byteCount {
            // Safe because eight bytes are there, and any of them make an integer.
            mix(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
            index += 8
        }
        while index < bytes.byteCount {
            mix(UInt64(bytes.byte(index)))
            index += 1
        }
        return hash

        func mix(_ word: UInt64) {
            hash = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
            hash ^= hash >> 29
        }
    }
}
