import OmniwayCrypto
import OmniwayWire

/// Puts frames into the queue of a carrier. A client's are masked; large messages are cut into fragments, so that one
/// does not fill the queue by itself and a ping or the end need not wait for it.
final class WebSocketWriter {
    static let scratchSize = 64 << 10
    private static let maxFragment = 1 << 20

    private let role: WebSocketRole
    private let threshold: Int
    private var deflation: WebSocketDeflation?
    // The message that was taken in part: whether it is compressed, and whether a frame of it is out.
    private var isInMessage = false
    private var isCompressing = false
    private var isContinuing = false

    init(_ role: WebSocketRole, compressesAbove threshold: Int) { (self.role, self.threshold) = (role, threshold) }

    func compresses(by deflation: WebSocketDeflation) { self.deflation = deflation }

    /// Sends what the carrier has room for, or all of a link that `isLeaving`; how many bytes of the message that was.
    func send(_ message: RawSpan, _ opcode: WebSocketOpcode, isLeaving: Bool, on carrier: Link) -> Int {
        // An empty message fits always: having taken nothing of it would say nothing.
        guard isLeaving || !carrier.isFull || message.isEmpty else { return 0 }
        if !isInMessage {
            isCompressing = deflation != nil && message.byteCount >= threshold
            if isCompressing { deflation?.begin() }
            isInMessage = true
        }
        return isCompressing
            ? sendCompressed(message, opcode, isLeaving, on: carrier)
            : sendPlain(message, opcode, isLeaving, on: carrier)
    }

    /// A whole message as one frame, from where its parts are. 0 when it has to be masked, compressed or cut.
    func send(_ head: RawSpan, _ rest: RawSpan, _ opcode: WebSocketOpcode, on carrier: Link) -> Int {
        let count = head.byteCount + rest.byteCount
        guard role == .server, !isInMessage, count <= Self.maxFragment, deflation == nil || count < threshold else {
            return 0
        }
        let header = WebSocketFrameHeader(opcode, length: count).encoded
        carrier.write(header.bytes, head)
        carrier.write(rest)
        return count
    }

    /// A ping, a pong or a close frame, of at most 125 bytes.
    func sendControl(_ opcode: WebSocketOpcode, _ payload: RawSpan, on carrier: Link) {
        put(WebSocketFrameHeader(opcode, length: payload.byteCount), payload, on: carrier)
    }

    private func sendPlain(_ message: RawSpan, _ opcode: WebSocketOpcode, _ isLeaving: Bool, on carrier: Link) -> Int {
        var sent = 0
        repeat {
            let count = min(message.byteCount - sent, Self.maxFragment)
            let fragment = message.extracting(sent..<sent + count)
            sent += count
            put(fragment, opcode, isFinal: sent == message.byteCount, on: carrier)
        } while sent < message.byteCount && (isLeaving || !carrier.isFull)
        return sent
    }

    private func sendCompressed(
        _ message: RawSpan, _ opcode: WebSocketOpcode, _ isLeaving: Bool, on carrier: Link
    ) -> Int {
        let block = unsafe carrier.loop.pool.take(Self.scratchSize)
        defer { unsafe carrier.loop.pool.give(block, size: Self.scratchSize) }
        let room = unsafe UnsafeMutableRawBufferPointer(start: block, count: Self.scratchSize)
        var sent = 0
        repeat {
            let end = min(message.byteCount, sent + Self.scratchSize)
            let isLast = end == message.byteCount
            let input = message.extracting(sent..<end)
            guard let progress = unsafe deflation?.deflate(input, isLast: isLast, into: room) else { break }
            sent += progress.consumed
            let isFinal = isLast && !progress.isFull
            if progress.produced > 0 || isFinal {
                let fragment = unsafe RawSpan(_unsafeStart: block, byteCount: progress.produced)
                put(fragment, opcode, isFinal: isFinal, on: carrier)
            }
            if isFinal {
                deflation?.end()
                break
            }
            // What zlib still has of the last bytes must go with them: there will be no other call.
        } while sent == message.byteCount || isLeaving || !carrier.isFull
        return sent
    }

    private func put(_ fragment: RawSpan, _ opcode: WebSocketOpcode, isFinal: Bool, on carrier: Link) {
        let header = WebSocketFrameHeader(
            isContinuing ? .continuation : opcode, isFinal: isFinal, isCompressed: isCompressing && !isContinuing,
            length: fragment.byteCount)
        (isInMessage, isContinuing) = (!isFinal, !isFinal)
        put(header, fragment, on: carrier)
    }

    private func put(_ header: WebSocketFrameHeader, _ payload: RawSpan, on carrier: Link) {
        guard role == .client else {
            let encoded = header.encoded
            return carrier.write(encoded.bytes, payload)
        }
        var header = header
        var mask = WebSocketMask(.random(in: 0...UInt32.max, using: &carrier.loop.random))
        header.mask = mask
        carrier.write(header.encoded.bytes)
        let block = unsafe carrier.loop.pool.take(Self.scratchSize)
        defer { unsafe carrier.loop.pool.give(block, size: Self.scratchSize) }
        var at = 0
        while at < payload.byteCount {
            let piece = payload.extracting(at..<min(payload.byteCount, at + Self.scratchSize))
            unsafe mask.apply(piece, to: block)
            unsafe carrier.write(RawSpan(_unsafeStart: block, byteCount: piece.byteCount))
            mask = mask.advanced(by: piece.byteCount)
            at += piece.byteCount
        }
    }
}
