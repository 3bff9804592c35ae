/// What a client of TLS says first (RFC 8446, section 4.1.2), read for the one thing that is in the clear: whom it
/// wants.
package struct ClientHello: Equatable, Sendable {
    /// The name that it asks for, in small letters; nil when it asks for none.
    package let serverName: String?
    /// What it would speak, the preferred one first.
    package let protocols: [String]

    /// Most bytes that are read for it, heads of records included.
    package static let mostBytes = 16 << 10

    /// The hello at the start of a connection; nil until it is whole.
    package static func decode(_ bytes: RawSpan) throws(ClientHelloError) -> ClientHello? {
        guard let message = try message(bytes) else { return nil }
        return try unsafe ClientHello(message.span.bytes)  // Safe because bytes have no padding.
    }

    /// The handshake message, which may be cut into several records.
    private static func message(_ bytes: RawSpan) throws(ClientHelloError) -> [UInt8]? {
        var message: [UInt8] = []
        var offset = 0
        while true {
            guard offset < bytes.byteCount else { return try waiting(bytes) }
            guard bytes.byte(offset) == 0x16 else { throw .notTLS }
            guard bytes.byteCount >= offset + 5 else { return try waiting(bytes) }
            guard bytes.byte(offset + 1) == 3 else { throw .notTLS }
            let length = Int(bytes.byte(offset + 3)) << 8 | Int(bytes.byte(offset + 4))
            guard (1...1 << 14).contains(length) else { throw .malformed }
            let end = min(offset + 5 + length, bytes.byteCount)
            message += bytes.array(offset + 5..<end)
            if let first = message.first, first != 1 { throw .notTLS }
            if message.count >= 4 {
                let whole = 4 + (Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3]))
                guard whole <= mostBytes else { throw .tooLarge }
                if message.count >= whole { return Array(message[4..<whole]) }
            }
            guard end == offset + 5 + length else { return try waiting(bytes) }
            offset = end
        }
    }

    private static func waiting(_ bytes: RawSpan) throws(ClientHelloError) -> [UInt8]? {
        guard bytes.byteCount < mostBytes else { throw .tooLarge }
        return nil
    }

    private init(_ bytes: RawSpan) throws(ClientHelloError) {
        var reader = NetworkReader(bytes)
        _ = try reader.range(34)  // Version and randomness.
        _ = try reader.vector(width: 1)
        let suites = try reader.vector(width: 2)
        let compressions = try reader.vector(width: 1)
        guard suites.count >= 2, suites.count.isMultiple(of: 2), !compressions.isEmpty else { throw .malformed }
        var (name, protocols): (String?, [String]) = (nil, [])
        if !reader.isAtEnd {
            var extensions = NetworkReader(bytes, try reader.vector(width: 2))
            var seen: Set<Int> = []
            while !extensions.isAtEnd {
                let kind = try extensions.number(2)
                let range = try extensions.vector(width: 2)
                guard seen.insert(kind).inserted else { throw .malformed }
                if kind == 0 { name = try Self.name(bytes, range) }
                if kind == 16 { protocols = try Self.protocols(bytes, range) }
            }
        }
        guard reader.isAtEnd else { throw .malformed }
        (serverName, self.protocols) = (name, protocols)
    }

    private static func name(_ bytes: RawSpan, _ range: Range<Int>) throws(ClientHelloError) -> String? {
        var whole = NetworkReader(bytes, range)
        var list = NetworkReader(bytes, try whole.vector(width: 2))
        guard whole.isAtEnd, !list.isAtEnd, try list.number(1) == 0 else { throw .malformed }
        let name = try list.vector(width: 2)
        // A list with a second name would have another meaning for another reader.
        guard list.isAtEnd, (1...255).contains(name.count),
            name.allSatisfy({ bytes.byte($0) > 0x20 && bytes.byte($0) < 0x7f })
        else { throw .malformed }
        return bytes.text(name).lowercased()
    }

    private static func protocols(_ bytes: RawSpan, _ range: Range<Int>) throws(ClientHelloError) -> [String] {
        var whole = NetworkReader(bytes, range)
        var list = NetworkReader(bytes, try whole.vector(width: 2))
        guard whole.isAtEnd else { throw .malformed }
        var protocols: [String] = []
        while !list.isAtEnd {
            let name = try list.vector(width: 1)
            guard !name.isEmpty else { throw .malformed }
            protocols.append(bytes.text(name))
        }
        return protocols
    }
}

package enum ClientHelloError: Error, Equatable, Sendable, CustomStringConvertible {
    case notTLS, malformed, tooLarge

    package var description: String {
        switch self {
        case .notTLS: "it does not begin as TLS does; is it meant for another port?"
        case .malformed: "the hello of the client is cut wrongly"
        case .tooLarge: "the hello of the client has more than \(ClientHello.mostBytes) bytes"
        }
    }
}

/// Big-endian numbers and what they count, out of a message that is whole.
private struct NetworkReader: ~Escapable {
    private let bytes: RawSpan
    private var offset: Int
    private let end: Int

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { (self.bytes, offset, end) = (bytes, 0, bytes.byteCount) }

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, _ range: Range<Int>) {
        (self.bytes, offset, end) = (bytes, range.lowerBound, range.upperBound)
    }

    var isAtEnd: Bool { offset == end }

    mutating func range(_ count: Int) throws(ClientHelloError) -> Range<Int> {
        guard end - offset >= count else { throw .malformed }
        defer { offset += count }
        return offset..<offset + count
    }

    mutating func number(_ width: Int) throws(ClientHelloError) -> Int {
        try range(width).reduce(0) { $0 << 8 | Int(bytes.byte($1)) }
    }

    /// What stands behind its own length.
    mutating func vector(width: Int) throws(ClientHelloError) -> Range<Int> { try range(number(width)) }
}
