import Testing

@testable import OmniwayWire

@Suite struct SocksServerTests {
    /// All that a client says, given at once, or byte by byte with what was not read in front of it.
    private func steps(_ bytes: [UInt8], password: Bool = false, byteByByte: Bool = false) throws -> [SocksServer.Step]
    {
        var server = SocksServer(asksPassword: password)
        var steps: [SocksServer.Step] = []
        var unread: [UInt8] = []
        for piece in byteByByte ? bytes.map({ [$0] }) : [bytes] {
            unread += piece
            var offset = 0
            while let step = try lending(unread, { bytes throws in try server.next(bytes, &offset) }) {
                steps.append(step)
                guard case .credentials(_, let password) = step else { continue }
                steps.append(.answer(server.decide(password == "open")))
            }
            unread.removeFirst(offset)
            #expect(unread.count <= SocksServer.mostUnread)
        }
        return steps
    }

    private static let requests: [([UInt8], SocksRequest)] = [
        (
            [5, 1, 0, 1, 10, 0, 0, 5, 0, 80],
            SocksRequest(command: .connect, place: .ipv4(0x0a00_0005, port: 80))
        ),
        (
            [5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 187],
            SocksRequest(command: .connect, place: .ipv6(high: 0x2001_0db8_0000_0000, low: 1, port: 443))
        ),
        (
            [5, 3, 0, 3, 3, 0x6e, 0x61, 0x73, 0, 22],
            SocksRequest(command: .associate, place: .name("nas", port: 22))
        ),
    ]

    @Test(arguments: [false, true])
    func `a request is read whole or byte by byte, with and without a password`(byteByByte: Bool) throws {
        for (bytes, request) in Self.requests {
            #expect(
                try steps([5, 2, 0, 2] + bytes, byteByByte: byteByByte)
                    == [.answer([5, 0]), .request(request)])
            let credentials: [UInt8] = [1, 2, 0x6d, 0x65, 4] + Array("open".utf8)
            #expect(
                try steps([5, 2, 0, 2] + credentials + bytes, password: true, byteByByte: byteByByte)
                    == [
                        .answer([5, 2]), .credentials(user: "me", password: "open"), .answer([1, 0]), .request(request),
                    ])
            #expect(request.place.bytes == Array(bytes[3...]))
        }
    }

    @Test func `a wrong password is the end`() throws {
        let bytes: [UInt8] = [5, 1, 2, 1, 0, 1, 0x78, 5, 1, 0, 1, 10, 0, 0, 5, 0, 80]
        #expect(
            try steps(bytes, password: true)
                == [.answer([5, 2]), .credentials(user: "", password: "x"), .answer([1, 1])])
    }

    @Test func `who offers no way that is wanted, and who wants what is not known, is told so`() throws {
        #expect(try steps([5, 1, 0], password: true) == [.refuse([5, 0xff])])
        #expect(try steps([5, 1, 2]) == [.refuse([5, 0xff])])
        #expect(try steps([5, 0]) == [.refuse([5, 0xff])])
        #expect(
            try steps([5, 1, 0, 5, 9, 0, 1, 10, 0, 0, 5, 0, 80])
                == [.answer([5, 0]), .refuse([5, 7, 0, 1, 0, 0, 0, 0, 0, 0])])
    }

    @Test(arguments: [
        ([4, 1, 0, 80], SocksError.notSocks5(4)), ([0x47], .notSocks5(0x47)),
        ([5, 1, 0, 5, 1, 0, 2, 10], .unknownAddress(2)), ([5, 1, 0, 5, 1, 0, 3, 0, 0, 80], .badName),
        ([5, 1, 0, 5, 1, 0, 3, 2, 0x61, 0, 0, 80], .badName), ([5, 1, 0, 4], .notSocks5(4)),
    ])
    func `what is not SOCKS5 is refused at its first wrong byte`(bytes: [UInt8], error: SocksError) {
        #expect(throws: error) { try steps(bytes) }
        #expect(throws: error) { try steps(bytes, byteByByte: true) }
    }

    @Test func `a reply has the address in front of the port`() {
        #expect(SocksReply.succeeded.bytes(.ipv4(0x7f00_0001, port: 0x1234)) == [5, 0, 0, 1, 127, 0, 0, 1, 0x12, 0x34])
        #expect(SocksReply.refused.bytes() == [5, 5, 0, 1, 0, 0, 0, 0, 0, 0])
        #expect(SocksReply.expired.rawValue == 6)
    }
}
