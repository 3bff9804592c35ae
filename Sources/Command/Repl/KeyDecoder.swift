/// What somebody presses, from the bytes that terminals send for it. Any bytes will do; those that mean nothing are
/// passed over.
struct KeyDecoder {
    enum Key: Equatable {
        case text(Unicode.Scalar)
        case enter, tab, backspace, delete, left, right, up, down, home, end
        case eraseBefore, eraseAfter, eraseWord, clearScreen, interrupt, endOfInput
    }
    private enum State {
        case ground
        case escape
        /// Behind `ESC [`, with what stands between that and the letter at the end.
        case sequence([UInt8])
        /// Behind `ESC O`, which some terminals send for arrows.
        case single
        case character([UInt8], length: Int)
    }
    private var state = State.ground
    private static let longestSequence = 16

    mutating func take(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .escape:
            state = byte == UInt8(ascii: "[") ? .sequence([]) : byte == UInt8(ascii: "O") ? .single : .ground
            return nil
        case .sequence(let before):
            guard 0x40...0x7E ~= byte else {
                state = before.count < Self.longestSequence ? .sequence(before + [byte]) : .ground
                return nil
            }
            state = .ground
            return byte == UInt8(ascii: "~") ? Self.numbered(before) : Self.lettered(byte)
        case .single:
            state = .ground
            return Self.lettered(byte)
        case .character(let before, let length):
            state = .ground
            guard byte & 0xC0 == 0x80 else { return ground(byte) }
            guard before.count + 1 == length else {
                state = .character(before + [byte], length: length)
                return nil
            }
            let scalar = String(validating: before + [byte], as: UTF8.self)?.unicodeScalars.first
            // The second block of control characters means something to terminals as well.
            return scalar.flatMap { $0.value < 0xA0 ? nil : .text($0) }
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x1B: state = .escape
        case 0x01: return .home
        case 0x02: return .left
        case 0x03: return .interrupt
        case 0x04: return .endOfInput
        case 0x05: return .end
        case 0x06: return .right
        case 0x08, 0x7F: return .backspace
        case 0x09: return .tab
        case 0x0A, 0x0D: return .enter
        case 0x0B: return .eraseAfter
        case 0x0C: return .clearScreen
        case 0x0E: return .down
        case 0x10: return .up
        case 0x15: return .eraseBefore
        case 0x17: return .eraseWord
        case 0x20..<0x7F: return .text(Unicode.Scalar(byte))
        case 0xC2...0xDF: state = .character([byte], length: 2)
        case 0xE0...0xEF: state = .character([byte], length: 3)
        case 0xF0...0xF4: state = .character([byte], length: 4)
        default: break
        }
        return nil
    }

    private static func lettered(_ letter: UInt8) -> Key? {
        switch letter {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): .right
        case UInt8(ascii: "D"): .left
        case UInt8(ascii: "F"): .end
        case UInt8(ascii: "H"): .home
        default: nil
        }
    }

    private static func numbered(_ number: [UInt8]) -> Key? {
        switch String(decoding: number, as: UTF8.self) {
        case "1", "7": .home
        case "3": .delete
        case "4", "8": .end
        default: nil
        }
    }
}
