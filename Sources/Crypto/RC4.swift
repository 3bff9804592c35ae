/// The stream cipher RC4, for protocols that were made with it. Legacy and not secure: it hides nothing from somebody
/// who tries.
package struct RC4: Sendable {
    private var state = InlineArray<256, UInt8>(repeating: 0)
    private var i: UInt8 = 0
    private var j: UInt8 = 0

    /// The key has 1 to 256 bytes.
    package init(key: [UInt8]) {
        precondition((1...256).contains(key.count), "RC4 takes a key of 1 to 256 bytes")
        for index in 0..<256 { state[index] = UInt8(truncatingIfNeeded: index) }
        var j: UInt8 = 0
        for index in 0..<256 {
            j = j &+ state[index] &+ key[index % key.count]
            state.swapAt(index, Int(j))
        }
    }

    /// Encrypts or decrypts in place, from where the last call stopped.
    package mutating func apply(to bytes: inout MutableSpan<UInt8>) {
        var (i, j) = (i, j)
        for index in bytes.indices { bytes[index] ^= next(&i, &j) }
        (self.i, self.j) = (i, j)
    }

    /// Leaves out so many bytes of the key stream.
    package mutating func skip(_ count: Int) {
        var (i, j) = (i, j)
        for _ in 0..<count { _ = next(&i, &j) }
        (self.i, self.j) = (i, j)
    }

    @inline(__always)
    private mutating func next(_ i: inout UInt8, _ j: inout UInt8) -> UInt8 {
        i &+= 1
        let a = state[Int(i)]
        j &+= a
        let b = state[Int(j)]
        state[Int(i)] = b
        state[Int(j)] = a
        return state[Int(a &+ b)]
    }
}
