/// Finds messages in a stream that does not mark them. Each byte is looked at once, however slowly they come.
///
/// A message begins with `{` and ends with the bracket that closes it. What stands between messages and is no white
/// space nor a NUL is garbage: it is passed over up to the next `{`, counted, and has an end.
package struct PheromoneReader: Sendable {
    package enum Violation: Error, Equatable, Sendable, CustomStringConvertible {
        case tooLarge(limit: Int)
        case garbage(times: Int, bytes: Int)

        package var description: String {
            switch self {
            case .tooLarge(let limit): "a message above \(limit) bytes; send it in parts, or raise maxMessageSize"
            case .garbage(let times, let bytes): "\(bytes) bytes of garbage between messages, in \(times) places"
            }
        }
    }

    private let maxMessageSize: Int
    private let maxGarbage: (times: Int, bytes: Int)
    /// How many bytes of the message under way were looked at; 0 between messages.
    private var looked = 0
    private var brackets = BracketScan()
    private var isInGarbage = false
    /// Garbage so far.
    package private(set) var garbage = (times: 0, bytes: 0)

    package init(maxMessageSize: Int, maxGarbage: (times: Int, bytes: Int) = (15, 64 << 10)) {
        (self.maxMessageSize, self.maxGarbage) = (maxMessageSize, maxGarbage)
    }

    /// A message has begun and not ended.
    package var isWithinMessage: Bool { looked > 0 }

    /// The next whole message at or after `start`, which is moved behind everything that is done with. With nil it is
    /// moved to the beginning of the message under way: the next call begins there, with more bytes behind it.
    package mutating func next(in bytes: RawSpan, at start: inout Int) throws(Violation) -> Range<Int>? {
        if looked == 0 { try skip(bytes, &start) }
        while start + looked < bytes.byteCount {
            guard looked < maxMessageSize else { throw .tooLarge(limit: maxMessageSize) }
            brackets.look(at: bytes.byte(start + looked))
            looked += 1
            if brackets.isAtEnd {
                defer { looked = 0 }
                let range = start..<(start + looked)
                start = range.upperBound
                return range
            }
        }
        return nil
    }

    /// Up to the next `{`.
    private mutating func skip(_ bytes: RawSpan, _ start: inout Int) throws(Violation) {
        while start < bytes.byteCount {
            switch bytes.byte(start) {
            case UInt8(ascii: "{"):
                isInGarbage = false
                return
            case 0x20, 0x09, 0x0a, 0x0d, 0x00: break
            default:
                if !isInGarbage { garbage.times += 1 }
                isInGarbage = true
            }
            if isInGarbage { garbage.bytes += 1 }
            start += 1
            guard garbage.times <= maxGarbage.times, garbage.bytes <= maxGarbage.bytes else {
                throw .garbage(times: garbage.times, bytes: garbage.bytes)
            }
        }
    }
}
