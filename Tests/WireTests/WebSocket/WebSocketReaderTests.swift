import OmniwayCrypto
import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct WebSocketReaderTests {
    private let hello = Array("Hello".utf8)

    private func hear(
        _ bytes: [UInt8], _ role: WebSocketRole = .server, most: Int = 1 << 20, cuts: [Int] = [], scratch: Int = 4096
    ) -> [Heard] {
        var reader = WebSocketReader(role, maxMessageSize: most)
        return reader.hear(bytes, cuts: cuts, scratch: scratch)
    }

    // MARK: The examples of RFC 6455, 5.7

    @Test func `the RFC's unmasked text arrives at a client`() {
        #expect(hear([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], .client) == [text("Hello")])
    }

    @Test func `the RFC's masked text arrives at a server`() {
        let bytes: [UInt8] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        #expect(hear(bytes) == [text("Hello")])
        #expect(
            WebSocketFrameHeader(.text, mask: WebSocketMask(0x3d21_fa37), length: 5).bytes == bytes.prefix(6).map { $0 }
        )
        #expect(hello.masked(WebSocketMask(0x3d21_fa37)) == Array(bytes[6...]))
    }

    @Test func `the RFC's fragmented text is one message`() {
        #expect(hear([0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], .client) == [text("Hello")])
    }

    @Test func `the RFC's ping and masked pong arrive`() {
        #expect(hear([0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], .client) == [.ping(hello)])
        #expect(hear([0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]) == [.pong])
    }

    @Test func `lengths take the RFC's 7, 16 or 64 bits`() {
        #expect(WebSocketFrameHeader(.binary, length: 125).bytes == [0x82, 0x7d])
        #expect(WebSocketFrameHeader(.binary, length: 126).bytes == [0x82, 0x7e, 0x00, 0x7e])
        #expect(WebSocketFrameHeader(.binary, length: 256).bytes == [0x82, 0x7e, 0x01, 0x00])
        #expect(WebSocketFrameHeader(.binary, length: 65_535).bytes == [0x82, 0x7e, 0xff, 0xff])
        #expect(WebSocketFrameHeader(.binary, length: 65_536).bytes == [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0])
    }

    // MARK: Pieces

    @Test(arguments: [0, 1, 125, 126, 65_535, 65_536, 200_000])
    func `a message of any size comes back, through scratch memory of any size`(_ length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
        for scratch in [512, 1000, 1 << 16] {
            #expect(hear(frame(.binary, bytes), scratch: scratch) == [.binary(bytes)])
            #expect(hear(frame(.binary, bytes, masked: false), .client, scratch: scratch) == [.binary(bytes)])
        }
    }

    private var conversation: [UInt8] {
        frame(.text, hello) + frame(.ping, [1, 2, 3]) + frame(.text, [0xce], final: false) + frame(.pong)
            + frame(.continuation, [0xba, 0xe1, 0xbd], final: false) + frame(.ping)
            + frame(.continuation, [0xb9]) + frame(.binary, [UInt8](repeating: 7, count: 130)) + frame(.binary)
            + close(1001, "bye")
    }
    private let conversationHeard: [Heard] = [
        text("Hello"), .ping([1, 2, 3]), .pong, .ping([]), .text([0xce, 0xba, 0xe1, 0xbd, 0xb9]),
        .binary([UInt8](repeating: 7, count: 130)), .binary([]), .close(WebSocketClose(.goingAway, "bye")),
    ]

    @Test func `a conversation cut at any byte is the same`() {
        let bytes = conversation
        #expect(hear(bytes) == conversationHeard)
        for cut in bytes.indices { #expect(hear(bytes, cuts: [cut]) == conversationHeard, "cut at \(cut)") }
        #expect(hear(bytes, cuts: Array(bytes.indices.dropFirst())) == conversationHeard)
    }

    @Test(arguments: 1...50) func `a conversation in random chunks is the same`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let bytes = conversation
        let cuts = (0..<Int.random(in: 0...20, using: &random)).map { _ in
            Int.random(in: 0...bytes.count, using: &random)
        }
        #expect(hear(bytes, cuts: cuts.sorted(), scratch: 512) == conversationHeard, "seed \(seed)")
    }

    @Test func `a reader leaves no more unread than a header and a control frame`() {
        let bytes = frame(.text, hello, final: false) + frame(.ping, [UInt8](repeating: 1, count: 125))
        var reader = WebSocketReader(.server, maxMessageSize: 100)
        #expect(reader.hear(Array(bytes.dropLast())) == [.unended(hello)])
    }

    // MARK: What is refused, and with which code

    @Test(
        arguments: [
            ([0xa1, 0x80, 0, 0, 0, 0], .reservedBits(0xa1), 1002),
            ([0x91, 0x80, 0, 0, 0, 0], .reservedBits(0x91), 1002),
            ([0xc1, 0x80, 0, 0, 0, 0], .compressedWithoutAgreement, 1002),
            ([0xc9, 0x80, 0, 0, 0, 0], .compressedWithoutAgreement, 1002),
            ([0x83, 0x80], .unknownOpcode(3), 1002), ([0x8b, 0x80], .unknownOpcode(11), 1002),
            ([0x09, 0x80], .fragmentedControl, 1002), ([0x89, 0xfe], .controlTooLong, 1002),
            ([0x81, 0xfe, 0x00, 0x7d, 0, 0, 0, 0], .lengthNotMinimal(125), 1002),
            ([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0], .lengthNotMinimal(65_535), 1002),
            ([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .lengthTooLarge, 1002),
            ([0x81, 0x01, 0x61], .notMasked, 1002), ([0x80, 0x80, 0, 0, 0, 0], .nothingToContinue, 1002),
            ([0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], .messageNotEnded, 1002),
            ([0x88, 0x81, 0, 0, 0, 0, 3], .invalidClose("it has one byte"), 1002),
            ([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], .invalidClose("code 1005 must not be sent"), 1002),
            ([0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0xff], .invalidText, 1007),
            ([0x81, 0x81, 0, 0, 0, 0, 0xff], .invalidText, 1007), ([0x81, 0x81, 0, 0, 0, 0, 0xce], .invalidText, 1007),
            (
                [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], .messageTooLarge(limit: 100),
                1009
            ),
            ([0x82, 0xe5, 0, 0, 0, 0], .messageTooLarge(limit: 100), 1009),
        ] as [([UInt8], WebSocketError, UInt16)])
    func `what breaks the rules is refused with its code`(_ bytes: [UInt8], _ error: WebSocketError, _ code: UInt16) {
        #expect(hear(bytes, most: 100) == [.error(error)])
        #expect(error.closeCode.rawValue == code)
        #expect(!error.description.isEmpty && error.description.utf8.count <= WebSocketClose.maxReason)
    }

    @Test func `a client refuses what is masked`() {
        #expect(hear(frame(.text, hello), .client) == [.error(.masked)])
    }

    @Test func `a message in fragments meets the same limit`() {
        let half = [UInt8](repeating: 0, count: 50)
        let fits = frame(.binary, half, final: false) + frame(.continuation, half)
        #expect(hear(fits, most: 100) == [.binary(half + half)])
        let more = frame(.binary, half, final: false) + frame(.continuation, half + [0])
        #expect(hear(more, most: 100) == [.unended(half), .error(.messageTooLarge(limit: 100))])
    }

    @Test func `a broken text is refused at the byte that breaks it`() {
        let bytes = frame(.text, [0x61, 0xce, 0x61], final: false)
        #expect(hear(bytes, cuts: [bytes.count - 1]).last == .error(.invalidText))
        #expect(hear(Array(bytes.dropLast())) == [.unended([0x61, 0xce])])
    }

    // MARK: Close frames

    @Test func `a close frame says its code and reason, or nothing`() {
        #expect(hear(frame(.close)) == [.close(WebSocketClose(nil))])
        for code: UInt16 in [1000, 1003, 1007, 1014, 3000, 4999] {
            #expect(hear(close(code, "ö")) == [.close(WebSocketClose(WebSocketCloseCode(rawValue: code), "ö"))])
        }
        for code: UInt16 in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            #expect(hear(close(code)) == [.error(.invalidClose("code \(code) must not be sent"))])
        }
    }

    @Test func `a reason that is too long for its frame is cut between two characters`() {
        let payload = WebSocketClose(.normal, String(repeating: "ö", count: 100)).payload
        #expect(payload.count == 124)
        #expect(payload.prefix(2) == [0x03, 0xe8])
        #expect(WebSocketClose(nil, "lost").payload == [])
    }
}
