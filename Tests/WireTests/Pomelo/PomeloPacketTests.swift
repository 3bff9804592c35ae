import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloPacketTests {
    private struct File: Decodable {
        struct Packet: Decodable, Equatable {
            let type: UInt8
            let body: Hex
        }
        struct Decode: Decodable {
            let name: String
            let bytes: Hex
            let error: String?
            let packets: [Packet]?
        }
        struct Encode: Decodable {
            let name: String
            let type: UInt8
            let body: Hex?
            let bodyLength: Int
            let head: Hex?
            let packet: Hex?
        }
        let decode: [Decode]
        let encode: [Encode]
    }

    private let codec = PomeloPacketCodec(maxBodySize: PomeloPacket.mostBodyBytes)
    private let file: File

    init() throws { file = try Vectors.decode(File.self, from: "pitaya-packets") }

    private func packets(in bytes: [UInt8]) throws -> [PomeloPacket] {
        try lending(bytes) { span in
            var found: [PomeloPacket] = []
            while let packet = try codec.packet(in: span, at: found.last?.end ?? 0) { found.append(packet) }
            return found
        }
    }

    @Test func `packets are found as the original finds them`() throws {
        #expect(file.decode.count == 9)
        for vector in file.decode {
            if vector.error != nil {
                #expect(throws: PomeloError.self, "\(vector.name)") { try packets(in: vector.bytes.bytes) }
                continue
            }
            let found = try packets(in: vector.bytes.bytes)
            #expect(found.map(\.kind.rawValue) == (vector.packets ?? []).map(\.type), "\(vector.name)")
            #expect(found.map { Array(vector.bytes.bytes[$0.body]) } == (vector.packets ?? []).map(\.body.bytes))
        }
    }

    @Test func `packets are written as the original writes them`() throws {
        var written = 0
        for vector in file.encode {
            guard let kind = PomeloPacket.Kind(rawValue: vector.type) else { continue }
            if let packet = vector.packet, let body = vector.body {
                #expect(try PomeloPacket.bytes(kind, body.bytes) == packet.bytes, "\(vector.name)")
                written += 1
            } else if let head = vector.head, vector.bodyLength <= PomeloPacket.mostBodyBytes {
                #expect(try PomeloPacket.head(kind, body: vector.bodyLength).array == head.bytes, "\(vector.name)")
                written += 1
            } else {
                // The original writes a length of zero for the smaller of these.
                let error = PomeloError.packetTooLarge(bytes: vector.bodyLength, limit: 16_777_215)
                #expect(throws: error) { try PomeloPacket.head(kind, body: vector.bodyLength).count }
            }
        }
        #expect(written == 9)
    }

    @Test func `a packet cut anywhere is none yet`() throws {
        for vector in file.encode {
            guard let packet = vector.packet?.bytes, !packet.isEmpty else { continue }
            for cut in packet.indices {
                #expect(try lending(Array(packet[..<cut])) { try codec.packet(in: $0, at: 0) } == nil)
            }
        }
    }

    @Test func `a wrong type is known from its byte, a length from its three`() {
        let codec = PomeloPacketCodec(maxBodySize: 1000)
        #expect(throws: PomeloError.unknownPacketType(0)) { try lending([0]) { try codec.packet(in: $0, at: 0) } }
        #expect(throws: PomeloError.unknownPacketType(6)) { try lending([6]) { try codec.packet(in: $0, at: 0) } }
        let error = PomeloError.packetTooLarge(bytes: 1001, limit: 1000)
        #expect(throws: error) { try lending([4, 0, 3, 0xe9]) { try codec.packet(in: $0, at: 0) } }
    }

    @Test func `a body of exactly the limit passes`() throws {
        let codec = PomeloPacketCodec(maxBodySize: 1000)
        let bytes = try PomeloPacket.bytes(.data, [UInt8](repeating: 1, count: 1000))
        #expect(try lending(bytes) { try codec.packet(in: $0, at: 0) }?.body == 4..<1004)
    }

    @Test(arguments: [[], [4], [4, 0, 0], [4, 0, 0, 2, 1], [3, 0, 0, 0, 3, 0, 0, 0], [3, 0, 0, 0, 0]] as [[UInt8]])
    func `a message of WebSocket that is not one packet is refused`(_ message: [UInt8]) {
        let error = PomeloError.notOnePacket(bytes: message.count)
        #expect(throws: error) { try lending(message) { try codec.packet(of: $0) } }
    }

    @Test func `a message of WebSocket that is one packet is it`() throws {
        #expect(try lending([4, 0, 0, 1, 0x78]) { try codec.packet(of: $0) }.body == 4..<5)
    }
}
