import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct LengthPrefixTests {
    private let codec = LengthPrefix()

    /// All messages that a stream of bytes holds, and how many bytes they took.
    private func decode(_ bytes: [UInt8]) -> (messages: [[UInt8]], consumed: Int) {
        unsafe bytes.withUnsafeBytes { raw in
            var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
            var messages: [[UInt8]] = []
            while let range = codec.decode(from: &reader) { messages.append(Array(bytes[range])) }
            return (messages, reader.offset)
        }
    }

    @Test(arguments: [0, 1, 255, 256, 65_535]) func `a message comes back as it was`(_ length: Int) {
        let message = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
        let decoded = decode(codec.prefix(for: length) + message)
        #expect(decoded.messages == [message])
        #expect(decoded.consumed == length + 2)
    }

    @Test func `a stream cut anywhere gives the whole messages before the cut and reads nothing else`() {
        let messages: [[UInt8]] = [[1], [], [2, 3, 4], [5, 6]]
        let bytes = messages.flatMap { codec.prefix(for: $0.count) + $0 }
        for cut in bytes.indices {
            let decoded = decode(Array(bytes[..<cut]))
            let whole = messages.prefix(decoded.messages.count)
            #expect(decoded.messages == Array(whole))
            #expect(decoded.consumed == whole.reduce(0) { $0 + 2 + $1.count })
            #expect(decoded.consumed <= cut)
        }
        #expect(decode(bytes).messages == messages)
    }

    @Test func `a reader never goes beyond its bytes`() {
        let bytes: [UInt8] = [1, 2, 3]
        unsafe bytes.withUnsafeBytes { raw in
            var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
            #expect(reader.peek(UInt32.self) == nil)
            #expect(reader.read(UInt16.self) == 0x0201)
            #expect(reader.readRange(2) == nil)
            #expect(reader.readRange(-1) == nil)
            #expect(reader.readRange(1) == 2..<3)
            #expect(reader.read(UInt8.self) == nil)
            #expect(reader.remaining == 0)
        }
    }
}

@Suite struct VectorTests {
    @Test func `recorded frames have the length that they say`() throws {
        let vectors = try Vector.load("gateway-v2-endpoints").filter { $0.meaning.hasPrefix("command") }
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let length = unsafe vector.bytes.withUnsafeBytes { raw in
                var reader = ByteReader(unsafe RawSpan(_unsafeBytes: raw))
                return reader.read(UInt32.self)
            }
            #expect(length.map { Int($0) } == vector.bytes.count - 4, "\(vector)")
        }
    }

    @Test func `a missing file and broken digits are told, not guessed`() {
        #expect(throws: VectorError.self) { try Vector.load("no-such-file") }
        #expect(Vectors.bytes("0g") == nil)
        #expect(Vectors.bytes("123") == nil)
        #expect(Vectors.bytes("00fF") == [0, 255])
    }
}
