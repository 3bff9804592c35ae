/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and CR LF, at most 107 bytes.
extension ProxyHeader {
    static func decodeLine(_ bytes: RawSpan) throws(ProxyError) -> (header: ProxyHeader, size: Int)? {
        let start = Array(bytes, upTo: maxLine)
        guard let end = start.firstIndex(of: UInt8(ascii: "\n")) else {
            if start.count == maxLine { throw .badLine("it does not end within \(maxLine) bytes") }
            return nil
        }
        guard end > 0, start[end - 1] == UInt8(ascii: "\r") else { throw .badLine("it ends without CR") }
        return (try parse(start[prefix.count..<end - 1]), end + 1)
    }

    private static func parse(_ line: ArraySlice<UInt8>) throws(ProxyError) -> ProxyHeader {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        // What follows UNKNOWN is to be ignored.
        if words.first.map(Array.init) == Array("UNKNOWN".utf8) { return .local }
        guard words.count == 5 else { throw .badLine("it has \(words.count) words instead of 5") }
        guard let sourcePort = port(words[3]), let destinationPort = port(words[4]) else {
            throw .badLine("a port is not a number up to 65535 without leading zeros")
        }
        switch String(decoding: words[0], as: UTF8.self) {
        case "TCP4":
            guard let source = IPText.ipv4(words[1]), let destination = IPText.ipv4(words[2]) else {
                throw .badLine("an address is not IPv4")
            }
            return .proxied(
                source: .ipv4(source, port: sourcePort), destination: .ipv4(destination, port: destinationPort))
        case "TCP6":
            guard let source = IPText.ipv6(words[1]), let destination = IPText.ipv6(words[2]) else {
                throw .badLine("an address is not IPv6")
            }
            return .proxied(
                source: .ipv6(high: source.high, low: source.low, port: sourcePort),
                destination: .ipv6(high: destination.high, low: destination.low, port: destinationPort))
        default: throw .badLine("the protocol is none of TCP4, TCP6 and UNKNOWN")
        }
    }

    private static func port(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard let number = IPText.number(text, most: 65_535) else { return nil }
        return UInt16(number)
    }

    /// The line, with its end. What has no place in it, a Unix path or two families, is UNKNOWN.
    package var line: [UInt8] {
        switch self {
        case .proxied(.ipv4(let source, let sourcePort), .ipv4(let destination, let destinationPort)):
            Array(
                "PROXY TCP4 \(IPText.text(source)) \(IPText.text(destination)) \(sourcePort) \(destinationPort)\r\n"
                    .utf8)
        case .proxied(.ipv6(let high, let low, let sourcePort), .ipv6(let farHigh, let farLow, let destinationPort)):
            Array(
                ("PROXY TCP6 \(IPText.text(high, low)) \(IPText.text(farHigh, farLow)) "
                    + "\(sourcePort) \(destinationPort)\r\n").utf8)
        case .local, .proxied: Array("PROXY UNKNOWN\r\n".utf8)
        }
    }
}
