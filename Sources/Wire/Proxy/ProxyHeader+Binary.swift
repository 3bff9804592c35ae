/// Version 2: the signature, version and command, family, a 16-bit length, addresses, and extra fields.
extension ProxyHeader {
    private static let fixedSize = 16

    static func decodeBinary(_ bytes: RawSpan) throws(ProxyError) -> (header: ProxyHeader, size: Int)? {
        let start = Array(bytes, upTo: fixedSize)
        guard start.count == fixedSize else { return nil }
        guard start[12] >> 4 == 2 else { throw .badVersion(start[12] >> 4) }
        let size = fixedSize + (Int(start[14]) << 8 | Int(start[15]))
        guard size <= maxSize else { throw .tooLong(size) }
        guard bytes.byteCount >= size else { return nil }
        let header = Array(bytes, upTo: size)
        let body = header[fixedSize...]
        switch start[12] & 15 {
        case 0:
            try checkExtras(of: header, from: fixedSize + min(body.count, addressSize(of: start[13]) ?? body.count))
            return (.local, size)
        case 1: break
        default: throw .badCommand(start[12] & 15)
        }
        guard let addresses = addressSize(of: start[13]), start[13] & 15 <= 2 else { throw .badFamily(start[13]) }
        guard body.count >= addresses else { throw .tooShort(body.count) }
        try checkExtras(of: header, from: fixedSize + addresses)
        return (addressed(Array(body.prefix(addresses)), family: start[13] >> 4), size)
    }

    /// How many bytes the addresses of a family have; nil for families that nobody knows.
    private static func addressSize(of family: UInt8) -> Int? {
        switch family >> 4 {
        case 0: 0
        case 1: 12
        case 2: 36
        case 3: 216
        default: nil
        }
    }

    private static func addressed(_ bytes: [UInt8], family: UInt8) -> ProxyHeader {
        func number(_ from: Int, _ count: Int) -> UInt64 {
            bytes[from..<from + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        func port(_ from: Int) -> UInt16 { UInt16(number(from, 2)) }
        func path(_ from: Int) -> [UInt8] { Array(bytes[from..<from + 108].prefix { $0 != 0 }) }
        switch family {
        case 1:
            return .proxied(
                source: .ipv4(UInt32(number(0, 4)), port: port(8)),
                destination: .ipv4(UInt32(number(4, 4)), port: port(10)))
        case 2:
            return .proxied(
                source: .ipv6(high: number(0, 8), low: number(8, 8), port: port(32)),
                destination: .ipv6(high: number(16, 8), low: number(24, 8), port: port(34)))
        case 3: return .proxied(source: .unix(path(0)), destination: .unix(path(108)))
        default: return .local
        }
    }

    // MARK: Extra fields

    private static let checksumType: UInt8 = 3

    /// Every field must fit; a checksum must be right. What the others say is not used.
    private static func checkExtras(of header: [UInt8], from start: Int) throws(ProxyError) {
        var index = start
        while index < header.count {
            guard index + 3 <= header.count else { throw .badExtra }
            let end = index + 3 + (Int(header[index + 1]) << 8 | Int(header[index + 2]))
            guard end <= header.count else { throw .badExtra }
            if header[index] == checksumType { try check(header, at: index + 3..<end) }
            index = end
        }
    }

    private static func check(_ header: [UInt8], at range: Range<Int>) throws(ProxyError) {
        guard range.count == 4 else { throw .badExtra }
        let expected = header[range].reduce(0) { $0 << 8 | UInt32($1) }
        var zeroed = header
        zeroed.replaceSubrange(range, with: [0, 0, 0, 0])
        guard CRC32C.checksum(zeroed) == expected else { throw .badChecksum }
    }

    // MARK: Writing

    package var binary: [UInt8] {
        switch self {
        case .local: Self.binary(command: 0, family: 0, [])
        case .proxied(.ipv4(let source, let sourcePort), .ipv4(let destination, let destinationPort)):
            Self.binary(
                command: 1, family: 0x11,
                big(source) + big(destination) + big(sourcePort) + big(destinationPort))
        case .proxied(.ipv6(let high, let low, let sourcePort), .ipv6(let farHigh, let farLow, let destinationPort)):
            Self.binary(
                command: 1, family: 0x21,
                big(high) + big(low) + big(farHigh) + big(farLow) + big(sourcePort) + big(destinationPort))
        case .proxied(.unix(let source), .unix(let destination)):
            Self.binary(command: 1, family: 0x31, padded(source) + padded(destination))
        case .proxied:
            // Two families have no common form: proxied, and nothing known of the ends.
            Self.binary(command: 1, family: 0, [])
        }
    }

    private static func binary(command: UInt8, family: UInt8, _ body: [UInt8]) -> [UInt8] {
        signature + [0x20 | command, family, UInt8(body.count >> 8), UInt8(body.count & 255)] + body
    }

    private func big(_ number: some FixedWidthInteger) -> [UInt8] {
        (1...number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (number.bitWidth - 8 * $0)) }
    }

    private func padded(_ path: [UInt8]) -> [UInt8] {
        Array(path.prefix(108)) + [UInt8](repeating: 0, count: max(0, 108 - path.count))
    }
}

/// The checksum of iSCSI, SCTP and the PROXY protocol.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { start in
        (0..<8).reduce(UInt32(start)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
}
