/// What a gateway sends to one of its endpoints, read as it arrives: a server's challenge, then frames.
package struct EndpointReader: Sendable {
    package enum Event: Equatable {
        /// To be answered by `GatewayLogin.answer`. For servers, once, before anything else.
        case challenge(Range<Int>)
        case command(GatewayCommand)
        /// A message, or a part of one; the last part ends it.
        case piece(ConnectionID, Range<Int>, endsMessage: Bool)
    }

    private enum State { case challenge, frames, within(ConnectionID, left: Int) }

    private let codec: GatewayCodec
    private let patience: Int
    private var state: State

    /// Of a message that has not arrived whole, `patience` bytes are waited for; then they are a piece.
    package init(_ codec: GatewayCodec, patience: Int, hasLogin: Bool) {
        (self.codec, self.patience) = (codec, max(patience, Self.longestCommand))
        state = hasLogin ? .challenge : .frames
    }

    private static let longestCommand = 9

    /// Most bytes that `next` leaves and wants again, in front of what follows them.
    package var mostUnread: Int { GatewayCodec.headerSize + min(patience, codec.maxPacketSize) }

    /// The next event in `bytes` from `offset` on, which moves behind what was used; nil until more arrives.
    package mutating func next(in bytes: RawSpan, from offset: inout Int) throws(GatewayError) -> Event? {
        while true {
            switch state {
            case .challenge:
                let end = offset + GatewayLogin.challengeSize
                guard end <= bytes.byteCount else { return nil }
                state = .frames
                return .challenge(exchange(&offset, with: end)..<end)
            case .frames:
                guard let frame = try codec.frame(in: bytes, at: offset) else { return try begin(bytes, &offset) }
                offset = frame.end
                return try event(frame.connection, frame.payload, bytes, left: 0)
            case .within(let connection, let left):
                let count = min(left, bytes.byteCount - offset)
                guard count > 0 else { return nil }
                let range = offset..<offset + count
                offset += count
                state = count == left ? .frames : .within(connection, left: left - count)
                // What follows a command's arguments means nothing.
                if connection != 0 { return .piece(connection, range, endsMessage: count == left) }
            }
        }
    }

    /// A frame that has arrived only in part, if that is enough to begin with.
    private mutating func begin(_ bytes: RawSpan, _ offset: inout Int) throws(GatewayError) -> Event? {
        var reader = ByteReader(bytes.extracting(droppingFirst: offset))
        guard let length = reader.read(UInt32.self), let id = reader.read(UInt32.self), reader.remaining >= patience
        else { return nil }
        let range = offset + reader.offset..<bytes.byteCount
        offset = bytes.byteCount
        let (connection, left) = (ConnectionID(rawValue: id), Int(length) - 4 - range.count)
        state = .within(connection, left: left)
        return try event(connection, range, bytes, left: left)
    }

    private func event(
        _ connection: ConnectionID, _ range: Range<Int>, _ bytes: RawSpan, left: Int
    ) throws(GatewayError) -> Event {
        if connection == 0 { return .command(try codec.command(bytes.extracting(range))) }
        return .piece(connection, range, endsMessage: left == 0)
    }
}
