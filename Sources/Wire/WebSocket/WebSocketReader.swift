package import OmniwayCrypto

package enum WebSocketRole: Sendable { case client, server }

/// What a message holds.
package enum WebSocketKind: Sendable { case text, binary }

/// Where bytes of a payload stand after `WebSocketReader.next`.
package enum WebSocketBytes: Equatable, Sendable {
    /// They were neither masked nor compressed, and are still where they arrived.
    case arrived(Range<Int>)
    /// In the scratch memory.
    case scratch(Range<Int>)
}

package enum WebSocketEvent: Equatable, Sendable {
    /// A piece of a message, as it arrives. The last one may be empty.
    case piece(WebSocketKind, WebSocketBytes, endsMessage: Bool)
    case ping(WebSocketBytes)
    case pong
    case close(WebSocketClose)
}

/// Turns what arrives on an open WebSocket into pieces of messages and control frames, and holds no payload: a message
/// passes piece by piece, checked on its way. After an error it must not be used.
package struct WebSocketReader {
    package static let smallestScratch = 512

    private let role: WebSocketRole
    private let maxMessageSize: Int
    private var inflation: WebSocketInflation?

    // The data frame whose payload is arriving.
    private var isInFrame = false
    private var isLastFrame = false
    private var mask = WebSocketMask(0)
    private var remaining = 0

    // The message that it belongs to.
    private var isInMessage = false
    private var isCompressed = false
    private var kind = WebSocketKind.binary
    private var text = UTF8Check()
    /// Its size, as far as frames have announced it.
    private var announced = 0

    package init(_ role: WebSocketRole, maxMessageSize: Int) {
        (self.role, self.maxMessageSize) = (role, maxMessageSize)
    }

    /// There is more to be said of bytes that were used already: `next` may have an event without any others.
    package var owesEvent: Bool { isInFrame && remaining == 0 }

    /// Messages may be compressed. With `keepsContext` the peer may refer to earlier ones, and an inflater stays with
    /// the connection.
    package mutating func inflates(by pool: DeflatePool, windowBits: Int, keepsContext: Bool) {
        inflation = WebSocketInflation(pool: pool, windowBits: windowBits, keepsContext: keepsContext)
    }

    /// The next event in `bytes` from `offset` on, which moves behind what was used; nil until more arrives.
    /// What is not used must come again, in front of what follows: never more than a header and a control frame.
    package mutating func next(
        in bytes: RawSpan, from offset: inout Int, scratch: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> WebSocketEvent? {
        while true {
            if !isInFrame {
                var reader = ByteReader(bytes.extracting(droppingFirst: offset))
                guard let header = try WebSocketFrameHeader.decode(from: &reader) else { return nil }
                try checkMask(header)
                if header.opcode.isControl {
                    guard reader.remaining >= header.length else { return nil }
                    let start = offset + reader.offset
                    offset = start + header.length
                    return unsafe try control(header, bytes, start..<offset, scratch)
                }
                try begin(header)
                offset += reader.offset
            }
            let before = offset
            if let event = unsafe try payload(bytes, &offset, scratch) { return event }
            if isInFrame, offset == before { return nil }  // Compressed bytes may be used and become nothing.
        }
    }

    private func checkMask(_ header: WebSocketFrameHeader) throws(WebSocketError) {
        switch role {
        case .server: if header.mask == nil { throw .notMasked }
        case .client: if header.mask != nil { throw .masked }
        }
    }

    // MARK: Control frames

    private func control(
        _ header: WebSocketFrameHeader, _ bytes: RawSpan, _ range: Range<Int>, _ scratch: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> WebSocketEvent {
        if header.isCompressed { throw .compressedWithoutAgreement }
        let place = unsafe unmask(bytes, range, header.mask, scratch)
        switch header.opcode {
        case .ping: return .ping(place)
        case .pong: return .pong
        case .close, .text, .binary, .continuation:
            return .close(try WebSocketClose(payload: unsafe span(of: place, bytes, scratch)))
        }
    }

    // MARK: Data frames

    private mutating func begin(_ header: WebSocketFrameHeader) throws(WebSocketError) {
        if header.opcode == .continuation {
            guard isInMessage else { throw .nothingToContinue }
            if header.isCompressed { throw .compressedWithoutAgreement }  // Only a message's first frame says so.
        } else {
            guard !isInMessage else { throw .messageNotEnded }
            if header.isCompressed, inflation == nil { throw .compressedWithoutAgreement }
            isInMessage = true
            kind = header.opcode == .text ? .text : .binary
            text = UTF8Check()
            isCompressed = header.isCompressed
            announced = 0
            if isCompressed { inflation?.begin() }
        }
        // What cannot be compressed grows a little when it is.
        let growth = isCompressed ? maxMessageSize >> 6 + 64 : 0
        let most = growth > Int.max - maxMessageSize ? Int.max : maxMessageSize + growth
        guard header.length <= most - announced else { throw .messageTooLarge(limit: maxMessageSize) }
        announced += header.length
        isInFrame = true
        isLastFrame = header.isFinal
        if let mask = header.mask { self.mask = mask }
        remaining = header.length
    }

    /// The next piece of the frame; nil when it lacks bytes, or was the end of a frame that held no more.
    private mutating func payload(
        _ bytes: RawSpan, _ offset: inout Int, _ scratch: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> WebSocketEvent? {
        if isCompressed { return unsafe try compressedPayload(bytes, &offset, scratch) }
        let count = min(remaining, bytes.byteCount - offset, scratch.count)
        if count == 0, remaining > 0 { return nil }
        let place = unsafe unmask(bytes, offset..<offset + count, role == .server ? mask : nil, scratch)
        offset += count
        skip(count)
        return unsafe try piece(place, bytes, scratch, isDone: isLastFrame && !isInFrame)
    }

    /// Inflates into the scratch memory, whose first quarter holds the compressed bytes. What finds no room is not used
    /// yet, and is unmasked again.
    private mutating func compressedPayload(
        _ bytes: RawSpan, _ offset: inout Int, _ scratch: UnsafeMutableRawBufferPointer
    ) throws(WebSocketError) -> WebSocketEvent? {
        let quarter = scratch.count / 4
        let count = min(remaining, bytes.byteCount - offset, quarter)
        let place = unsafe unmask(bytes, offset..<offset + count, role == .server ? mask : nil, scratch)
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[quarter...])
        let input = unsafe span(of: place, bytes, scratch)
        let isLast = isLastFrame && count == remaining
        guard let outcome = unsafe try inflation?.inflate(input, isLast: isLast, into: room) else { return nil }
        guard inflation?.inflated ?? 0 <= maxMessageSize else { throw .messageTooLarge(limit: maxMessageSize) }
        offset += outcome.consumed
        // A last frame stays open until its tail is inflated too.
        skip(outcome.consumed)
        if isLastFrame, !outcome.isDone { isInFrame = true }
        if outcome.isDone { inflation?.end() }
        return unsafe try piece(
            .scratch(quarter..<quarter + outcome.produced), bytes, scratch, isDone: outcome.isDone)
    }

    private mutating func skip(_ count: Int) {
        mask = mask.advanced(by: count)
        remaining -= count
        isInFrame = remaining > 0
    }

    private mutating func piece(
        _ place: WebSocketBytes, _ bytes: RawSpan, _ scratch: UnsafeMutableRawBufferPointer, isDone: Bool
    ) throws(WebSocketError) -> WebSocketEvent? {
        if kind == .text {
            guard text.check(unsafe span(of: place, bytes, scratch)), text.isComplete || !isDone else {
                throw .invalidText
            }
        }
        if isDone { isInMessage = false }
        return place.isEmpty && !isDone ? nil : .piece(kind, place, endsMessage: isDone)
    }

    // MARK: Places

    private func unmask(
        _ bytes: RawSpan, _ range: Range<Int>, _ mask: WebSocketMask?, _ scratch: UnsafeMutableRawBufferPointer
    ) -> WebSocketBytes {
        guard let mask else { return .arrived(range) }
        // Safe because the caller has seen to it that the scratch memory has room for the range.
        if let to = scratch.baseAddress { unsafe mask.apply(bytes.extracting(range), to: to) }
        return .scratch(0..<range.count)
    }

    @_lifetime(copy bytes)
    private func span(
        of place: WebSocketBytes, _ bytes: RawSpan, _ scratch: UnsafeMutableRawBufferPointer
    ) -> RawSpan {
        unsafe place.span(bytes, scratch)
    }
}

extension WebSocketBytes {
    package var range: Range<Int> {
        switch self {
        case .arrived(let range), .scratch(let range): range
        }
    }

    var isEmpty: Bool { range.isEmpty }

    /// The bytes themselves, of the two places that `WebSocketReader.next` was given.
    @_lifetime(copy arrived)
    package func span(_ arrived: RawSpan, _ scratch: UnsafeMutableRawBufferPointer) -> RawSpan {
        switch self {
        case .arrived(let range): return arrived.extracting(range)
        case .scratch(let range):
            // Safe because the scratch memory stays with its owner for as long as the arrived bytes do.
            let span = unsafe RawSpan(_unsafeBytes: scratch[range])
            return unsafe _overrideLifetime(span, copying: arrived)
        }
    }
}
