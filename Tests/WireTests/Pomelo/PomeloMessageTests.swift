import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloMessageTests {
    private struct File: Decodable {
        struct Decode: Decodable {
            let name: String
            let message: Hex
            let error: String?
            let type: String?
            let id: String?
            let route: String?
            let isError: Bool?
            let body: Hex?
        }
        struct Encode: Decodable {
            let name: String
            let message: Hex
            let body: Hex
            let bodyCompression: Bool
            let deflated: Bool
            let type: String
            let id: String
            let route: String
            let isError: Bool
        }
        let dictionary: [String: UInt16]
        let decode: [Decode]
        let encode: [Encode]
    }

    private let pool = DeflatePool()
    private let file: File
    private let dictionary: PomeloDictionary

    init() throws {
        file = try Vectors.decode(File.self, from: "pitaya-messages")
        dictionary = try PomeloDictionary(file.dictionary.map { ($0.key, $0.value) })
    }

    /// What a message says, whoever sends such ones.
    private struct Said: Equatable {
        var type = ""
        var id: UInt64 = 0
        var route = ""
        var isError = false
        var body: [UInt8] = []
    }

    private func read(_ bytes: [UInt8]) throws -> Said {
        let type = (bytes.first ?? 0) >> 1 & 7
        return try lending(bytes) { span in
            let message = try PomeloMessage(span, from: type < 2 ? .client : .server)
            let route = try message.route.map { route throws(PomeloError) in try dictionary.text(of: route, in: span) }
            var body = Array(bytes[message.body])
            if message.isCompressed {
                body = try PomeloCompression.inflated(span.extracting(message.body), atMost: 1 << 16, by: pool)
            }
            return Said(
                type: "\(message.kind)", id: message.id, route: route ?? "", isError: message.isError, body: body)
        }
    }

    private func head(_ vector: File.Encode) throws -> PomeloMessageHead {
        let id = try #require(UInt64(vector.id))
        let route = dictionary.head(for: vector.route)
        return switch vector.type {
        case "request": .request(id: id, route)
        case "notify": .notify(route)
        case "push": .push(route)
        default: .response(id: id, isError: vector.isError)
        }
    }

    // MARK: Recorded

    @Test func `messages are read as the original reads them`() throws {
        #expect(file.decode.count == 24)
        for vector in file.decode {
            if vector.error != nil {
                #expect(throws: PomeloError.self, "\(vector.name)") { try read(vector.message.bytes) }
            } else {
                let said = Said(
                    type: vector.type ?? "", id: UInt64(vector.id ?? "") ?? 0, route: vector.route ?? "",
                    isError: vector.isError ?? false, body: vector.body?.bytes ?? [])
                #expect(try read(vector.message.bytes) == said, "\(vector.name)")
            }
        }
    }

    @Test func `messages are written as the original writes them`() throws {
        var same = 0
        for vector in file.encode where !vector.type.isEmpty {
            var bytes: [UInt8] = [0xaa]  // What the caller's buffer holds already.
            switch vector.name {
            case "request-route-256-wraps":
                #expect(throws: PomeloError.routeTooLong(bytes: 256)) {
                    try head(vector).append(to: &bytes, body: vector.body.bytes.count)
                }
                #expect(bytes == [0xaa])
                continue
            default: break
            }
            let compression = PomeloCompression(threshold: vector.bodyCompression ? 0 : .max)
            let compressed = lending(vector.body.bytes) { compression.compressed($0, by: pool) }
            #expect((compressed != nil) == vector.deflated, "\(vector.name)")
            let body = compressed ?? vector.body.bytes
            try head(vector).append(to: &bytes, body: body.count, isCompressed: compressed != nil)
            let message = Array((bytes + body).dropFirst(5))
            #expect(Array(bytes[1..<5]) == [4, 0, UInt8(message.count >> 8), UInt8(message.count & 255)])
            if vector.deflated {
                #expect(try read(message) == read(vector.message.bytes))
                #expect(body.prefix(2) == [0x78, 0x9c])
            } else if vector.name == "response-route-in-dictionary" {
                #expect(message == [0x04] + vector.message.bytes.dropFirst())  // There is no code for its bit 0.
            } else {
                #expect(message == vector.message.bytes, "\(vector.name)")
                same += 1
            }
        }
        #expect(same == 44)
    }

    @Test func `a message cut anywhere in its head is an error, and in its body a shorter one`() throws {
        var heads = 0
        for vector in file.encode where !vector.deflated && !vector.message.bytes.isEmpty {
            if vector.name == "request-route-256-wraps" { continue }
            let message = vector.message.bytes
            for cut in message.indices {
                if cut < message.count - vector.body.bytes.count {
                    #expect(throws: PomeloError.self, "\(vector.name) at \(cut)") { try read(Array(message[..<cut])) }
                    heads += 1
                } else {
                    #expect(try message.starts(with: read(Array(message[..<cut])).body) || cut > 0)
                }
            }
        }
        #expect(heads > 500)
    }

    // MARK: Hostile

    @Test(
        arguments: [
            ([], .messageCut(.flag, bytes: 0)), ([0x00], .messageCut(.id, bytes: 1)),
            ([0x00, 0x80], .messageCut(.id, bytes: 2)),
            // The packet that ended the original's process.
            ([0x00, 0x01], .messageCut(.route, bytes: 2)),
            ([0x00, 0x01, 0x14, 0x61], .messageCut(.route, bytes: 4)), ([0x02], .messageCut(.route, bytes: 1)),
            ([0x01, 0x01, 0x00], .messageCut(.route, bytes: 3)), ([0x08, 0x01], .unknownMessageType(4)),
            ([0x00] + [UInt8](repeating: 0xff, count: 9) + [0x02, 0x00], .idTooLarge),
            ([0x00] + [UInt8](repeating: 0x80, count: 10) + [0x00, 0x00], .idTooLarge),
            ([0x04, 0x01, 0x78], .wrongWay(.response)), ([0x06, 0x00], .wrongWay(.push)),
        ] as [([UInt8], PomeloError)])
    func `a client's malformed message is an ordinary error`(_ bytes: [UInt8], _ error: PomeloError) {
        #expect(throws: error) { try lending(bytes) { try PomeloMessage($0, from: .client) } }
        #expect(!error.description.isEmpty)
    }

    @Test func `a server sends no requests and no notifies`() {
        for bytes in [[0x00, 0x01, 0x00], [0x02, 0x00]] as [[UInt8]] {
            #expect(throws: PomeloError.self) { try lending(bytes) { try PomeloMessage($0, from: .server) } }
        }
    }

    @Test func `an id may be longer than it needs, up to ten bytes`() throws {
        let bytes: [UInt8] = [0x00, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00]
        #expect(try lending(bytes) { try PomeloMessage($0, from: .client).id } == 1)
    }

    @Test func `a code that the dictionary does not have is the peer's fault`() throws {
        try lending([0x03, 0x7f, 0x7f]) { span in
            let route = try #require(try PomeloMessage(span, from: .client).route)
            #expect(throws: PomeloError.unknownRouteCode(0x7f7f)) { try dictionary.text(of: route, in: span) }
        }
    }

    @Test func `a message that fits into no packet leaves the buffer as it was`() {
        var bytes: [UInt8] = [1, 2]
        let most = PomeloPacket.mostBodyBytes
        #expect(throws: PomeloError.packetTooLarge(bytes: most + 1, limit: most)) {
            try PomeloMessageHead.response(id: 1).append(to: &bytes, body: most - 1)
        }
        #expect(bytes == [1, 2])
        #expect(throws: Never.self) { try PomeloMessageHead.response(id: 1).append(to: &bytes, body: most - 2) }
        #expect(bytes == [1, 2, 4, 0xff, 0xff, 0xff, 4, 1])
    }
}
