/// What a proxy says in front of a connection: between whom it really is. Version 1 is a line of text, version 2 is
/// binary.
package enum ProxyHeader: Equatable, Sendable {
    /// The proxy speaks for itself, or does not know: the connection is between those who have it.
    case local
    case proxied(source: Endpoint, destination: Endpoint)

    package enum Endpoint: Equatable, Sendable {
        case ipv4(UInt32, port: UInt16)
        case ipv6(high: UInt64, low: UInt64, port: UInt16)
        /// A path; empty for a socket without a name.
        case unix([UInt8])
    }

    package enum Version: Sendable { case v1, v2 }

    /// Most bytes that a header may have: version 2 with the extras that proxies are known to send.
    package static let maxSize = 4096
    static let maxLine = 107
    static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    /// The header at the start of `bytes` and its length; nil until it is whole.
    package static func decode(_ bytes: RawSpan) throws(ProxyError) -> (header: ProxyHeader, size: Int)? {
        let start = Array(bytes, upTo: signature.count)
        guard let first = start.first else { return nil }
        if first == signature[0] {
            guard signature.starts(with: start) else { throw .noHeader }
            return start.count == signature.count ? try decodeBinary(bytes) : nil
        }
        guard prefix.starts(with: start.prefix(prefix.count)) else { throw .noHeader }
        return start.count < prefix.count ? nil : try decodeLine(bytes)
    }
    static let prefix = Array("PROXY ".utf8)
}

/// Why a connection does not begin as one of a proxy must.
package enum ProxyError: Error, Equatable, CustomStringConvertible {
    case noHeader
    case badLine(String)
    case badVersion(UInt8)
    case badCommand(UInt8)
    case badFamily(UInt8)
    case tooLong(Int)
    case tooShort(Int)
    case badExtra
    case badChecksum

    package var description: String {
        switch self {
        case .noHeader: "there is no PROXY header; let the proxy send one, or take its address off the list"
        case .badLine(let what): "the PROXY line is wrong: \(what)"
        case .badVersion(let version): "PROXY version \(version) is not known; the binary one is 2"
        case .badCommand(let command): "PROXY command \(command) is not known"
        case .badFamily(let family): "PROXY address family \(family) is not known"
        case .tooLong(let size): "the PROXY header has \(size) bytes; at most \(ProxyHeader.maxSize) are read"
        case .tooShort(let size): "the PROXY header has \(size) bytes of addresses, too few for their family"
        case .badExtra: "an extra field of the PROXY header does not fit into it"
        case .badChecksum: "the PROXY header does not match its checksum"
        }
    }
}

extension Array where Element == UInt8 {
    /// The first bytes, at most `count`.
    init(_ bytes: RawSpan, upTo count: Int) {
        self = unsafe bytes.extracting(first: count).withUnsafeBytes { unsafe Array($0) }
    }
}
