package import OmniwayCrypto

/// What is wrong with what a peer sent on an open WebSocket. It costs the peer its connection.
package enum WebSocketError: Error, Equatable, CustomStringConvertible {
    case reservedBits(UInt8)
    case unknownOpcode(UInt8)
    case fragmentedControl
    case controlTooLong
    case lengthNotMinimal(Int)
    case lengthTooLarge
    case notMasked
    case masked
    case nothingToContinue
    case messageNotEnded
    case compressedWithoutAgreement
    case invalidText
    case invalidCompression(DeflateError)
    case messageTooLarge(limit: Int)
    case invalidClose(String)

    /// The code that tells the peer (RFC 6455, 7.4.1).
    package var closeCode: WebSocketCloseCode {
        switch self {
        case .invalidText, .invalidCompression: .invalidData
        case .messageTooLarge: .tooLarge
        case .reservedBits, .unknownOpcode, .fragmentedControl, .controlTooLong, .lengthNotMinimal, .lengthTooLarge,
            .notMasked, .masked, .nothingToContinue, .messageNotEnded, .compressedWithoutAgreement, .invalidClose:
            .protocolError
        }
    }

    /// Short enough for a close frame.
    package var description: String {
        switch self {
        case .reservedBits(let byte): "reserved bits are set in a frame that begins with 0x\(String(byte, radix: 16))"
        case .unknownOpcode(let code): "opcode \(code) is not defined"
        case .fragmentedControl: "a control frame is fragmented"
        case .controlTooLong: "a control frame has more than 125 bytes"
        case .lengthNotMinimal(let length): "a length of \(length) is written in more bytes than it needs"
        case .lengthTooLarge: "a length has its top bit set"
        case .notMasked: "a frame from a client is not masked"
        case .masked: "a frame from a server is masked"
        case .nothingToContinue: "a continuation without a message that began"
        case .messageNotEnded: "a message begins before the last one ended"
        case .compressedWithoutAgreement: "a frame says that it is compressed, where it must not be"
        case .invalidText: "a text is not UTF-8"
        case .invalidCompression(let error): "\(error)"
        case .messageTooLarge(let limit): "a message has more than \(limit) bytes"
        case .invalidClose(let words): "a close frame is wrong: \(words)"
        }
    }
}
