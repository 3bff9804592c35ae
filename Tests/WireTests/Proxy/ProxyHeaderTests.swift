import Testing

@testable import OmniwayWire

@Suite struct ProxyHeaderTests {
    /// From the specification of the protocol, version 2.
    private static let sample: [UInt8] =
        ProxyHeader.signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb]
    private static let sampleHeader = ProxyHeader.proxied(
        source: .ipv4(0xc000_0201, port: 56324), destination: .ipv4(0xc633_6407, port: 443))

    private func decode(_ bytes: [UInt8]) throws(ProxyError) -> (header: ProxyHeader, size: Int)? {
        let bytes = bytes
        do {
            return try unsafe bytes.withUnsafeBytes { try ProxyHeader.decode(unsafe RawSpan(_unsafeBytes: $0)) }
        } catch { throw error as! ProxyError }
    }

    private func decode(_ line: String) throws(ProxyError) -> ProxyHeader? { try decode(Array(line.utf8))?.header }

    private static let headers: [ProxyHeader] = [
        .local, sampleHeader,
        .proxied(
            source: .ipv6(high: 0x2001_0db8_0000_0000, low: 1, port: 1),
            destination: .ipv6(high: .max, low: .max, port: 65_535)),
        .proxied(source: .unix(Array("/run/a".utf8)), destination: .unix([])),
    ]

    @Test(arguments: headers) func `what is written is read, in both versions, and waits at every cut`(
        _ header: ProxyHeader
    ) throws {
        let asLine = if case .proxied(.unix, _) = header { ProxyHeader.local } else { header }
        for (bytes, expected) in [(header.binary, header), (header.line, asLine)] {
            let read = try #require(try decode(bytes + Array("after".utf8)))
            #expect(read.header == expected)
            #expect(read.size == bytes.count)
            for cut in bytes.indices { #expect(try decode(Array(bytes[..<cut])) == nil) }
        }
    }

    @Test func `the bytes are those of the specification`() throws {
        #expect(Self.sampleHeader.binary == Self.sample)
        #expect(Self.sampleHeader.line == Array("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".utf8))
        #expect(try decode("PROXY UNKNOWN ffff:f...f 65535 whatever\r\n") == .local)
        #expect(
            try decode("PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 1 2\r\n")
                == .proxied(
                    source: .ipv6(high: 0x2001_0db8_0000_0000, low: 1, port: 1),
                    destination: .ipv6(high: 0, low: 0xffff_0a00_0001, port: 2)))
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "PROXY", "PROXY\r\n", "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.1.1.1 ::1 1 1\r\n",
        "PROXY TCP6 ::1%eth0 ::1 1 1\r\n", "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 1\r\n", "PROXY TCP6 :::1 ::1 1 1\r\n",
        "PROXY TCP6 1::2::3 ::1 1 1\r\n", "PROXY TCP6 1:2:3:4:5:6:7: ::1 1 1\r\n", "PROXY TCP6 12345::1 ::1 1 1\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7::8 ::1.2.3.4.5 1 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
        "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "PROXY TCP4 " + String(repeating: "1", count: 120),
    ]) func `a line that is not exactly right is refused`(_ line: String) throws {
        if line == "PROXY" { return #expect(try decode(line) == nil) }
        #expect(throws: ProxyError.self) { try decode(line) }
    }

    @Test func `a binary header that is not right is refused with what is wrong`() throws {
        func changed(_ index: Int, _ value: UInt8) -> [UInt8] {
            var bytes = Self.sample
            bytes[index] = value
            return bytes
        }
        #expect(throws: ProxyError.noHeader) { try decode(changed(3, 0)) }
        #expect(throws: ProxyError.badVersion(1)) { try decode(changed(12, 0x11)) }
        #expect(throws: ProxyError.badCommand(2)) { try decode(changed(12, 0x22)) }
        #expect(throws: ProxyError.badFamily(0x41)) { try decode(changed(13, 0x41)) }
        #expect(throws: ProxyError.badFamily(0x13)) { try decode(changed(13, 0x13)) }
        #expect(throws: ProxyError.tooShort(11)) { try decode(changed(15, 11)) }
        #expect(throws: ProxyError.tooLong(16 + 0xff0c)) { try decode(changed(14, 0xff)) }
        #expect(throws: ProxyError.badExtra) { try decode(changed(15, 14) + [4, 0]) }
        #expect(throws: ProxyError.badExtra) { try decode(changed(15, 15) + [4, 0, 1]) }
    }

    @Test func `a checksum is checked, other extra fields are skipped`() throws {
        var bytes = Self.sample
        bytes[15] = 12 + 7 + 5
        bytes += [4, 0, 2, 9, 9] + [3, 0, 4, 0, 0, 0, 0]
        let checksum = CRC32C.checksum(bytes)
        bytes.replaceSubrange(
            bytes.count - 4..<bytes.count, with: (0..<4).map { UInt8(checksum >> (24 - 8 * $0) & 255) })
        #expect(try decode(bytes)?.header == Self.sampleHeader)
        bytes[20] ^= 1
        #expect(throws: ProxyError.badChecksum) { try decode(bytes) }
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
    }
}
