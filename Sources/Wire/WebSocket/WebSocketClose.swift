/// Why a WebSocket is closed, as a number (RFC 6455, 7.4).
package struct WebSocketCloseCode: RawRepresentable, Equatable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let normal = WebSocketCloseCode(rawValue: 1000)
    package static let goingAway = WebSocketCloseCode(rawValue: 1001)
    package static let protocolError = WebSocketCloseCode(rawValue: 1002)
    package static let unsupportedData = WebSocketCloseCode(rawValue: 1003)
    package static let invalidData = WebSocketCloseCode(rawValue: 1007)
    package static let policyViolation = WebSocketCloseCode(rawValue: 1008)
    package static let tooLarge = WebSocketCloseCode(rawValue: 1009)
    package static let internalError = WebSocketCloseCode(rawValue: 1011)

    /// It may stand in a frame: those of the registry that are not for programs alone, and those of applications.
    package var mayBeSent: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// What a close frame says. Its payload may be empty.
package struct WebSocketClose: Equatable, Sendable {
    package var code: WebSocketCloseCode?
    package var reason: String

    package init(_ code: WebSocketCloseCode?, _ reason: String = "") { (self.code, self.reason) = (code, reason) }

    package static let maxReason = WebSocketFrameHeader.maxControlLength - 2

    init(payload: RawSpan) throws(WebSocketError) {
        self.init(nil)
        guard !payload.isEmpty else { return }
        var reader = ByteReader(payload)
        guard let number = reader.read(UInt16.self) else { throw .invalidClose("it has one byte") }
        let code = WebSocketCloseCode(rawValue: UInt16(bigEndian: number))
        guard code.mayBeSent else { throw .invalidClose("code \(code.rawValue) must not be sent") }
        self.code = code
        let words = payload.extracting(droppingFirst: 2)
        var check = UTF8Check()
        guard check.check(words), check.isComplete else { throw .invalidText }
        reason = unsafe words.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// The payload that says it; a reason that is too long is cut between two characters.
    package var payload: [UInt8] {
        guard let code else { return [] }
        var words = reason[...]
        while words.utf8.count > Self.maxReason { words = words.dropLast() }
        return [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 255)] + Array(words.utf8)
    }
}
