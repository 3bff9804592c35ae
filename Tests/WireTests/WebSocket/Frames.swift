@testable import OmniwayWire

/// What a reader makes of bytes, in a form that can be compared: joined messages, or what went wrong.
enum Heard: Equatable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong
    case close(WebSocketClose)
    case error(WebSocketError)
    /// A message that has not ended.
    case unended([UInt8])
}

extension WebSocketReader {
    /// Everything in `bytes`, given in chunks that end at `cuts`; what is left unread comes again, as on a link.
    mutating func hear(_ bytes: [UInt8], cuts: [Int] = [], scratch size: Int = 4096) -> [Heard] {
        var heard: [Heard] = []
        var message: [UInt8] = []
        var unread: [UInt8] = []
        var scratch = [UInt8](repeating: 0, count: size)
        var start = 0
        for cut in cuts + [bytes.count] {
            unread += bytes[start..<cut]
            start = cut
            var used = 0
            do throws(WebSocketError) {
                while let event = try next(unread, &used, &scratch) {
                    switch event.event {
                    case .piece(let kind, _, let ends):
                        message += event.bytes
                        if ends {
                            heard.append(kind == .text ? .text(message) : .binary(message))
                            message = []
                        }
                    case .ping: heard.append(.ping(event.bytes))
                    case .pong: heard.append(.pong)
                    case .close(let close): heard.append(.close(close))
                    }
                }
            } catch {
                return heard + (message.isEmpty ? [] : [.unended(message)]) + [.error(error)]
            }
            unread.removeFirst(used)
        }
        return message.isEmpty ? heard : heard + [.unended(message)]
    }

    private mutating func next(
        _ bytes: [UInt8], _ used: inout Int, _ scratch: inout [UInt8]
    ) throws(WebSocketError) -> (event: WebSocketEvent, bytes: [UInt8])? {
        let outcome: Result<(event: WebSocketEvent, bytes: [UInt8])?, WebSocketError> = unsafe bytes.withUnsafeBytes {
            raw in
            unsafe scratch.withUnsafeMutableBytes { scratch in
                let span = unsafe RawSpan(_unsafeBytes: raw)
                do throws(WebSocketError) {
                    guard let event = try unsafe self.next(in: span, from: &used, scratch: scratch) else {
                        return .success(nil)
                    }
                    var copied: [UInt8] = []
                    switch event {
                    case .piece(_, let place, _), .ping(let place):
                        copied.append(contentsOf: unsafe place.span(span, scratch))
                    case .pong, .close: break
                    }
                    return .success((event, copied))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try outcome.get()
    }
}

extension [UInt8] {
    fileprivate mutating func append(contentsOf span: RawSpan) {
        for index in 0..<span.byteCount { append(unsafe span.unsafeLoad(fromByteOffset: index, as: UInt8.self)) }
    }
}

/// One frame, masked with a key that has four different bytes if `masked`.
func frame(
    _ opcode: WebSocketOpcode, _ payload: [UInt8] = [], final: Bool = true, compressed: Bool = false,
    masked: Bool = true
) -> [UInt8] {
    let mask = masked ? WebSocketMask(0x37fa_213d) : nil
    let header = WebSocketFrameHeader(
        opcode, isFinal: final, isCompressed: compressed, mask: mask, length: payload.count)
    return header.bytes + payload.masked(mask)
}

extension WebSocketFrameHeader {
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        let encoded = encoded
        bytes.append(contentsOf: encoded.bytes)
        return bytes
    }
}

extension [UInt8] {
    func masked(_ mask: WebSocketMask?) -> [UInt8] {
        guard let mask else { return self }
        var result = [UInt8](repeating: 0, count: count)
        unsafe withUnsafeBytes { from in
            unsafe result.withUnsafeMutableBytes { to in
                if let to = to.baseAddress { unsafe mask.apply(RawSpan(_unsafeBytes: from), to: to) }
            }
        }
        return result
    }
}

func close(_ code: UInt16, _ reason: String = "") -> [UInt8] {
    frame(.close, [UInt8(code >> 8), UInt8(code & 255)] + Array(reason.utf8))
}

/// A text, for tests.
func text(_ words: String) -> Heard { .text(Array(words.utf8)) }
