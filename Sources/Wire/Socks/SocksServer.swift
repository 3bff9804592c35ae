/// What a SOCKS5 server hears before bytes go through (RFC 1928, and RFC 1929 for names with passwords).
package struct SocksServer: Sendable {
    package enum Step: Equatable, Sendable {
        /// Goes to the client, which says more then.
        case answer([UInt8])
        /// `decide` says whether they are right.
        case credentials(user: String, password: String)
        /// The last thing that is read; what follows belongs to what was asked for.
        case request(SocksRequest)
        /// Goes to the client, and then the end.
        case refuse([UInt8])
    }

    private enum State { case greeting, credentials, deciding, request, done }
    private var state = State.greeting
    private let asksPassword: Bool

    package init(asksPassword: Bool) { self.asksPassword = asksPassword }

    /// The most that is left unread while something is incomplete.
    package static let mostUnread = 513

    /// Reads on at `offset`, which moves; nil until there is more.
    package mutating func next(_ bytes: RawSpan, _ offset: inout Int) throws(SocksError) -> Step? {
        switch state {
        case .greeting: try greet(bytes, &offset)
        case .credentials: try readCredentials(bytes, &offset)
        case .request: try readRequest(bytes, &offset)
        case .deciding, .done: nil
        }
    }

    private mutating func greet(_ bytes: RawSpan, _ offset: inout Int) throws(SocksError) -> Step? {
        guard try version(5, bytes, offset), bytes.byteCount >= offset + 2 else { return nil }
        let end = offset + 2 + Int(bytes.byte(offset + 1))
        guard bytes.byteCount >= end else { return nil }
        let methods = bytes.array(offset + 2..<end)
        offset = end
        let method: UInt8 = asksPassword ? 2 : 0
        guard methods.contains(method) else {
            state = .done
            return .refuse([5, 0xff])
        }
        state = asksPassword ? .credentials : .request
        return .answer([5, method])
    }

    private mutating func readCredentials(_ bytes: RawSpan, _ offset: inout Int) throws(SocksError) -> Step? {
        guard try version(1, bytes, offset), bytes.byteCount >= offset + 2 else { return nil }
        let user = offset + 2..<offset + 2 + Int(bytes.byte(offset + 1))
        guard bytes.byteCount > user.upperBound else { return nil }
        let start = user.upperBound + 1
        let password = start..<start + Int(bytes.byte(user.upperBound))
        guard bytes.byteCount >= password.upperBound else { return nil }
        offset = password.upperBound
        state = .deciding
        return .credentials(user: bytes.text(user), password: bytes.text(password))
    }

    /// The answer to `credentials`; when they are wrong the connection ends with it.
    package mutating func decide(_ areRight: Bool) -> [UInt8] {
        state = areRight ? .request : .done
        return [1, areRight ? 0 : 1]
    }

    private mutating func readRequest(_ bytes: RawSpan, _ offset: inout Int) throws(SocksError) -> Step? {
        guard try version(5, bytes, offset), bytes.byteCount >= offset + 4 else { return nil }
        var end = offset + 3
        guard let place = try SocksPlace.decode(bytes, &end) else { return nil }
        let command = bytes.byte(offset + 1)
        offset = end
        state = .done
        guard let command = SocksRequest.Command(rawValue: command) else {
            return .refuse(SocksReply.unknownCommand.bytes())
        }
        return .request(SocksRequest(command: command, place: place))
    }

    /// What begins with another byte is not SOCKS5, and is not waited for.
    private func version(_ number: UInt8, _ bytes: RawSpan, _ offset: Int) throws(SocksError) -> Bool {
        guard bytes.byteCount > offset else { return false }
        guard bytes.byte(offset) == number else { throw .notSocks5(bytes.byte(offset)) }
        return true
    }
}

/// What a client wants.
package struct SocksRequest: Equatable, Sendable {
    package enum Command: UInt8, Sendable { case connect = 1, bind, associate }
    package let command: Command
    package let place: SocksPlace
}

/// Where to: an address, or a name that is looked up where the target is.
package enum SocksPlace: Equatable, Sendable {
    case ipv4(UInt32, port: UInt16)
    case ipv6(high: UInt64, low: UInt64, port: UInt16)
    case name(String, port: UInt16)

    /// Reads at `offset`, which moves behind it; nil until it is whole.
    package static func decode(_ bytes: RawSpan, _ offset: inout Int) throws(SocksError) -> SocksPlace? {
        guard bytes.byteCount > offset + 1 else { return nil }
        let kind = bytes.byte(offset)
        var start = offset + 1
        let count: Int
        switch kind {
        case 1: count = 4
        case 4: count = 16
        case 3:
            count = Int(bytes.byte(start))
            start += 1
        default: throw .unknownAddress(kind)
        }
        let end = start + count
        guard bytes.byteCount >= end + 2 else { return nil }
        let port = UInt16(bytes.byte(end)) << 8 | UInt16(bytes.byte(end + 1))
        offset = end + 2
        func number(_ range: Range<Int>) -> UInt64 { range.reduce(0) { $0 << 8 | UInt64(bytes.byte($1)) } }
        switch kind {
        case 1: return .ipv4(UInt32(number(start..<end)), port: port)
        case 4: return .ipv6(high: number(start..<start + 8), low: number(start + 8..<end), port: port)
        default:
            // Letters, digits and what names are made of: nothing that a resolver could understand in another way.
            let isName = (start..<end).allSatisfy { bytes.byte($0) > 0x20 && bytes.byte($0) < 0x7f }
            guard count > 0, isName else { throw .badName }
            return .name(bytes.text(start..<end), port: port)
        }
    }

    package var bytes: [UInt8] {
        switch self {
        case .ipv4(let address, let port): [1] + Self.bytes(address) + Self.bytes(port)
        case .ipv6(let high, let low, let port): [4] + Self.bytes(high) + Self.bytes(low) + Self.bytes(port)
        case .name(let name, let port):
            [3, UInt8(truncatingIfNeeded: name.utf8.count)] + Array(name.utf8.prefix(255)) + Self.bytes(port)
        }
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        stride(from: number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}

/// The answer to a request.
package enum SocksReply: UInt8, Sendable {
    case succeeded, failed, notAllowed, networkUnreachable, hostUnreachable, refused, expired, unknownCommand
    case unknownAddress

    /// `place` is the address from which the target is reached.
    package func bytes(_ place: SocksPlace = .ipv4(0, port: 0)) -> [UInt8] { [5, rawValue, 0] + place.bytes }
}

/// Why a connection does not begin as one of SOCKS5 must.
package enum SocksError: Error, Equatable, Sendable, CustomStringConvertible {
    case notSocks5(UInt8)
    case unknownAddress(UInt8)
    case badName

    /// What the client hears of it, if anything.
    package var reply: [UInt8] {
        switch self {
        case .notSocks5: []
        case .unknownAddress: SocksReply.unknownAddress.bytes()
        case .badName: SocksReply.failed.bytes()
        }
    }

    package var description: String {
        switch self {
        case .notSocks5(let byte): "it begins with \(byte), so it is not SOCKS5; let the program speak version 5"
        case .unknownAddress(let kind): "addresses of the kind \(kind) are not known"
        case .badName: "the name has bytes that are in no name"
        }
    }
}
