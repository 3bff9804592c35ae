import Testing

@testable import OmniwayWire

@Suite struct ProtobufTests {
    private func fields(_ bytes: [UInt8]) throws -> [ProtobufField] {
        try lending(bytes) { bytes throws(ProtobufError) in
            var reader = ProtobufReader(bytes)
            var fields: [ProtobufField] = []
            while let field = try reader.next() { fields.append(field) }
            return fields
        }
    }

    @Test func `fields of all wire types are read`() throws {
        let bytes: [UInt8] = [
            0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0x80, 0x1a, 0x02, 0x61, 0x62, 0x25, 1, 0, 0, 0x80,
        ]
        let expected = [
            ProtobufField(number: 1, value: .varint(150)), .init(number: 2, value: .fixed64(0x8000_0000_0000_0001)),
            .init(number: 3, value: .bytes(14..<16)), .init(number: 4, value: .fixed32(0x8000_0001)),
        ]
        #expect(try fields(bytes) == expected)
        let ends = [0, 3, 12, 16, 21]
        for cut in bytes.indices where !ends.contains(cut) {
            #expect(throws: ProtobufError.cut) { try fields(Array(bytes[..<cut])) }
        }
    }

    @Test func `groups are passed over, whatever is in them`() throws {
        let group: [UInt8] = [0x13, 0x08, 0x01, 0x1b, 0x22, 0x01, 0x24, 0x1c, 0x14]
        #expect(try fields([0x08, 0x05] + group + [0x08, 0x06]).map(\.value) == [.varint(5), .varint(6)])
        for cut in 1..<group.count { #expect(throws: ProtobufError.cut) { try fields(Array(group[..<cut])) } }
    }

    @Test(
        arguments: [
            ([0x00], .fieldZero), ([0x06], .fieldZero), ([0x0e], .unknownType(6)), ([0x0f], .unknownType(7)),
            ([0x0c], .malformedGroup), ([0x0b, 0x14], .malformedGroup),
            ([UInt8](repeating: 0x0b, count: 1000), .malformedGroup), ([0x0a, 0x01], .cut),
            // A length of almost 64 bits, and one of more.
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .cut),
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .cut),
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], .numberTooLarge),
            ([0x08] + [UInt8](repeating: 0x80, count: 10) + [0x00], .numberTooLarge),
            ([0x80, 0x80, 0x80, 0x80, 0x10, 0x00], .numberTooLarge),
        ] as [([UInt8], ProtobufError)])
    func `what is no message is an ordinary error`(_ bytes: [UInt8], _ error: ProtobufError) {
        #expect(throws: error) { try fields(bytes) }
        #expect(!error.description.isEmpty)
    }
}
