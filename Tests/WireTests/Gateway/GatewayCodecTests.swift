import OmniwayTesting
import OmniwayWire
import Testing

/// Everything that is a frame among the bytes recorded from the original gateways and their endpoints.
private struct Recording: Sendable, CustomTestStringConvertible {
    let file: String
    let dialect: GatewayDialect
    var testDescription: String { file }

    static let all = [
        Recording(file: "gateway-v1-endpoints", dialect: .v1), Recording(file: "gateway-v1-probe", dialect: .v1),
        Recording(file: "gateway-v2-endpoints", dialect: .v2), Recording(file: "gateway-v2-probe", dialect: .v2),
        Recording(file: "gateway-uniway-endpoints", dialect: .v2),
        Recording(file: "gateway-uniway-probe", dialect: .v2),
    ]

    /// Handshakes are no frames, and malformed ones have tests of their own.
    func frames() throws -> [Vector] {
        try Vector.load(file).filter { vector in
            (vector.meaning.hasPrefix("command") || vector.meaning.hasPrefix("data:")) && !vector.meaning.contains("?")
                && !vector.name.hasPrefix("gateway-only-command") && !vector.name.hasPrefix("unknown-command")
        }
    }
}

@Suite struct GatewayCodecTests {
    private func frame(_ bytes: [UInt8], _ codec: GatewayCodec, at offset: Int = 0) throws -> GatewayFrame? {
        try unsafe bytes.withUnsafeBytes { try unsafe codec.frame(in: RawSpan(_unsafeBytes: $0), at: offset) }
    }

    private func command(_ payload: [UInt8], _ codec: GatewayCodec) throws -> GatewayCommand {
        try unsafe payload.withUnsafeBytes { try unsafe codec.command(RawSpan(_unsafeBytes: $0)) }
    }

    private func framedCommand(_ bytes: [UInt8], _ codec: GatewayCodec) throws -> GatewayCommand {
        try command(Array(bytes[try #require(try frame(bytes, codec)).payload]), codec)
    }

    private func written(_ command: GatewayCommand, _ codec: GatewayCodec) -> [UInt8] {
        let bytes = codec.bytes(of: command)
        return unsafe bytes.span.withUnsafeBytes { unsafe Array($0) }
    }

    @Test(arguments: Recording.all)
    fileprivate func `what was recorded is read, and commands are written as they were`(_ recording: Recording) throws {
        let codec = GatewayCodec(recording.dialect)
        let frames = try recording.frames()
        #expect(frames.count > 20)
        for vector in frames {
            let frame = try #require(try frame(vector.bytes, codec), "\(vector)")
            #expect(frame.range == vector.bytes.indices)
            #expect(frame.isCommand == vector.meaning.hasPrefix("command"))
            guard frame.isCommand else { continue }
            #expect(written(try framedCommand(vector.bytes, codec), codec) == vector.bytes, "\(vector.meaning)")
        }
    }

    @Test(arguments: Recording.all)
    fileprivate func `a frame cut anywhere is none yet`(_ recording: Recording) throws {
        let codec = GatewayCodec(recording.dialect)
        for vector in try recording.frames() {
            for cut in vector.bytes.indices { #expect(try frame(Array(vector.bytes[..<cut]), codec) == nil) }
        }
    }

    @Test func `frames behind each other are found by their ends`() throws {
        let codec = GatewayCodec(.v2)
        let bytes = written(.ping, codec) + [5, 0, 0, 0, 9, 0, 0, 0, 0x78] + written(.close(9), codec)
        var found: [GatewayFrame] = []
        while let frame = try frame(bytes, codec, at: found.last?.end ?? 0) { found.append(frame) }
        #expect(found.map(\.connection) == [0, 9, 0])
        #expect(found.map(\.payload) == [8..<9, 17..<18, 26..<31])
    }

    @Test(arguments: GatewayDialect.allCases)
    func `every command of a dialect comes back as it was written`(_ dialect: GatewayDialect) throws {
        let codec = GatewayCodec(dialect)
        var commands: [GatewayCommand] = [.close(.init(rawValue: .max)), .ping, .accept(7, 8)]
        switch dialect {
        case .v1: commands += [.new, .open(3), .dial(9, as: 4), .refuse(0, as: 5)]
        case .v2: commands += [.dial(9, as: 0), .connect(7, 0), .refuse(5, as: 0)]
        }
        for sent in commands { #expect(try framedCommand(written(sent, codec), codec) == sent) }
    }

    @Test func `to a v1 peer both ends of a connection are told in the same words`() throws {
        let codec = GatewayCodec(.v1)
        #expect(try framedCommand(written(.connect(7, 8), codec), codec) == .accept(7, 8))
    }

    @Test(
        arguments: [
            ([0, 0, 0, 0], GatewayError.packetTooShort(length: 0)), ([3, 0, 0, 0], .packetTooShort(length: 3)),
            ([1, 4, 0, 0], .packetTooLarge(length: 1025, limit: 1024)),
            ([255, 255, 255, 255], .packetTooLarge(length: Int(UInt32.max), limit: 1024)),
        ] as [([UInt8], GatewayError)])
    func `a wrong length is known from its four bytes`(_ bytes: [UInt8], _ error: GatewayError) {
        #expect(throws: error) { try frame(bytes, GatewayCodec(.v2, maxPacketSize: 1024)) }
    }

    @Test func `a frame of exactly the limit passes`() throws {
        let bytes = [0, 4, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 1, count: 1020)
        #expect(try frame(bytes, GatewayCodec(.v2, maxPacketSize: 1024))?.count == 1028)
    }

    @Test(
        arguments: [
            (.v1, [], .emptyCommand), (.v1, [7], .unknownCommand(7)),
            (.v1, [2, 1, 0, 0, 0, 9, 0, 0], .commandTooShort(type: 2, length: 8)),
            (.v2, [], .emptyCommand), (.v2, [6, 1, 0, 0, 0], .unknownCommand(6)),
            (.v2, [255], .unknownCommand(255)), (.v2, [0, 7, 0], .commandTooShort(type: 0, length: 3)),
            (.v2, [4], .commandTooShort(type: 4, length: 1)),
        ] as [(GatewayDialect, [UInt8], GatewayError)])
    func `a command that is none is refused`(_ dialect: GatewayDialect, _ payload: [UInt8], _ error: GatewayError) {
        #expect(throws: error) { try command(payload, GatewayCodec(dialect)) }
    }

    @Test func `bytes behind the arguments of a command mean nothing`() throws {
        #expect(try command([0, 7, 0, 0, 0, 0x7a, 0x7a], GatewayCodec(.v2)) == .dial(7, as: 0))
    }

    @Test func `the header of a message says its length and its connection`() {
        let header = GatewayCodec.header(of: 0x0102_0304, payload: 5)
        #expect(header.indices.map { header[$0] } == [9, 0, 0, 0, 4, 3, 2, 1])
    }
}
