/// The frames of a carrier, many streams in one: eight bytes, big-endian, of type (1), flags (1), stream (3) and length
/// (3), then a payload. Whole control frames have eight bytes of payload, one number.
package enum MuxFrame {
    package enum Kind: UInt8 {
        /// Bytes of a stream. With `fin` they are its last in this direction.
        case data = 1
        /// Begins a stream. The number is the credit that the opener gives, and below it the one that it takes.
        /// Both are 0 for a flow of datagrams.
        case open = 2
        /// More credit. For stream 0, what new streams may take. With `ack`, credit that is given back unused.
        case window = 3
        /// Ends a stream at once; the number says why.
        case reset = 4
        /// With `ack` the answer to one with the same number.
        case ping = 5
        /// The sender opens no more streams and takes no more; the number says why.
        case goAway = 6
        /// A whole datagram of a flow.
        case datagram = 7
    }

    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let fin = Flags(rawValue: 1)
        package static let ack = Flags(rawValue: 2)
    }

    package static let headerSize = 8
    package static let controlSize = 16
    /// Most bytes behind one header.
    package static let mostPayload = 64 << 10
    package static let mostDatagram = 65_507
    /// Ids have 24 bits and are never used again; those of the side that dialled are odd.
    package static let lastID: UInt32 = 0xff_ffff

    package static func header(
        _ kind: Kind, _ flags: Flags = [], stream: UInt32, length: Int
    ) -> InlineArray<8, UInt8> {
        let word = self.word(kind, flags, stream, length)
        var bytes = InlineArray<8, UInt8>(repeating: 0)
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * index)) }
        return bytes
    }

    /// A whole frame of any kind but data and datagrams.
    package static func control(
        _ kind: Kind, _ flags: Flags = [], stream: UInt32 = 0, number: UInt64
    ) -> InlineArray<16, UInt8> {
        let word = self.word(kind, flags, stream, 8)
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<8 {
            bytes[index] = UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * index))
            bytes[8 + index] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * index))
        }
        return bytes
    }

    package static func open(_ stream: UInt32, giving: Int, taking: Int) -> InlineArray<16, UInt8> {
        control(.open, stream: stream, number: UInt64(UInt32(giving)) << 32 | UInt64(UInt32(taking)))
    }

    private static func word(_ kind: Kind, _ flags: Flags, _ stream: UInt32, _ length: Int) -> UInt64 {
        UInt64(kind.rawValue) << 56 | UInt64(flags.rawValue) << 48 | UInt64(stream & lastID) << 24
            | UInt64(length & 0xff_ffff)
    }
}

/// What a peer sent, read as it arrives.
package enum MuxEvent: Equatable, Sendable {
    /// A piece of a stream, as far as it has arrived; `ends` after the last.
    case data(UInt32, Range<Int>, ends: Bool)
    case datagram(UInt32, Range<Int>)
    case open(UInt32, giving: Int, taking: Int)
    case window(UInt32, UInt64)
    /// Credit that is given back.
    case unused(UInt32, UInt64)
    case reset(UInt32, UInt64)
    case ping(UInt64)
    case pong(UInt64)
    case goAway(UInt64)
}

/// Reads the frames of a peer. Bytes of streams are not waited for: what has come of a frame is a piece.
package struct MuxReader: Sendable {
    private enum State { case header, within(UInt32, left: Int, ends: Bool) }
    private var state = State.header

    package init() {}

    /// Most bytes that `next` leaves and wants again, in front of what follows them.
    package static let mostUnread = MuxFrame.headerSize + MuxFrame.mostPayload

    /// The next event in `bytes` from `offset` on, which moves behind what was used; nil until more arrives.
    package mutating func next(in bytes: RawSpan, from offset: inout Int) throws(MuxError) -> MuxEvent? {
        if case .within(let stream, let left, let ends) = state {
            let count = min(left, bytes.byteCount - offset)
            return count > 0 ? piece(stream, count, left: left, ends: ends, &offset) : nil
        }
        guard let word = Self.word(bytes, offset) else { return nil }
        let length = Int(word & 0xff_ffff)
        let stream = UInt32(truncatingIfNeeded: word >> 24) & MuxFrame.lastID
        let flags = MuxFrame.Flags(rawValue: UInt8(truncatingIfNeeded: word >> 48))
        guard let kind = MuxFrame.Kind(rawValue: UInt8(truncatingIfNeeded: word >> 56)) else {
            throw .unknownFrame(UInt8(truncatingIfNeeded: word >> 56))
        }
        guard length <= MuxFrame.mostPayload else { throw .tooLong(length) }
        switch kind {
        case .data:
            if !flags.isSubset(of: .fin) { throw .flags(flags.rawValue, kind) }
            offset += MuxFrame.headerSize
            return piece(
                stream, min(length, bytes.byteCount - offset), left: length, ends: flags.contains(.fin), &offset)
        case .datagram:
            if !flags.isEmpty { throw .flags(flags.rawValue, kind) }
            if length > MuxFrame.mostDatagram { throw .tooLong(length) }
            let start = offset + MuxFrame.headerSize
            guard bytes.byteCount - start >= length else { return nil }
            offset = start + length
            return .datagram(stream, start..<offset)
        case .open, .window, .reset, .ping, .goAway:
            guard length == 8 else { throw .controlLength(length) }
            guard let number = Self.word(bytes, offset + MuxFrame.headerSize) else { return nil }
            let event = try Self.control(kind, flags, stream, number)
            offset += MuxFrame.controlSize
            return event
        }
    }

    private static func control(
        _ kind: MuxFrame.Kind, _ flags: MuxFrame.Flags, _ stream: UInt32, _ number: UInt64
    ) throws(MuxError) -> MuxEvent {
        switch (kind, flags) {
        case (.open, []): .open(stream, giving: Int(number >> 32), taking: Int(number & 0xffff_ffff))
        case (.window, []): .window(stream, number)
        case (.window, .ack): .unused(stream, number)
        case (.reset, []): .reset(stream, number)
        case (.ping, []): .ping(number)
        case (.ping, .ack): .pong(number)
        case (.goAway, []): .goAway(number)
        case (.data, _), (.open, _), (.window, _), (.reset, _), (.ping, _), (.goAway, _), (.datagram, _):
            throw .flags(flags.rawValue, kind)
        }
    }

    private mutating func piece(
        _ stream: UInt32, _ count: Int, left: Int, ends: Bool, _ offset: inout Int
    ) -> MuxEvent {
        let range = offset..<offset + count
        offset += count
        state = count == left ? .header : .within(stream, left: left - count, ends: ends)
        return .data(stream, range, ends: ends && count == left)
    }

    @inline(__always)
    private static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64? {
        guard bytes.byteCount - offset >= 8 else { return nil }
        // Safe because eight bytes are there, and every bit pattern is an integer.
        return unsafe UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

/// What is wrong with what a peer sent over a carrier. It costs the sender the connection.
package enum MuxError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownFrame(UInt8)
    case flags(UInt8, MuxFrame.Kind)
    case tooLong(Int)
    case controlLength(Int)
    /// A frame for a stream that nobody has opened, or that cannot be the peer's.
    case wrongStream(UInt32)
    /// More bytes than there was credit for.
    case overCredit(UInt32)
    /// More credit than a stream may have, or than was given.
    case badCredit(UInt32)
    /// Bytes after the end of a stream, or of another kind than the stream is of.
    case outOfPlace(UInt32)

    package var description: String {
        switch self {
        case .unknownFrame(let kind): "frames of type \(kind) are not known"
        case .flags(let flags, let kind): "a \(kind) frame has the flags \(flags)"
        case .tooLong(let length): "a frame of \(length) bytes is above the limit of \(MuxFrame.mostPayload)"
        case .controlLength(let length): "a control frame has \(length) bytes; it needs 8"
        case .wrongStream(let id): "a frame is for stream \(id), which cannot be"
        case .overCredit(let id): "stream \(id) sent more than it had credit for"
        case .badCredit(let id): "credit for stream \(id) is beyond every window"
        case .outOfPlace(let id): "stream \(id) sent what it may not send any more, or not as what it is"
        }
    }
}
