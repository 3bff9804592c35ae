/// How the bytes of a link are cut into frames, for people who look at them. Protocols read by their own codecs.
public enum FrameFormat: String, Sendable, CaseIterable {
    case gatewayV1 = "gateway v1"
    case gatewayV2 = "gateway v2"
    case pomelo
    /// Requests and answers of a tunnel, and the streams that carry them.
    case invoker, mux
    /// Messages of the original mesh.
    case mesh = "mesh JSON"
    case webSocket = "websocket"
    /// As they come.
    case bytes
}

extension FrameFormat {
    /// How far a frame goes, as its beginning tells.
    enum Extent: Sendable { case unknown, known(Int), wrong }

    private static let longest = 64 << 20

    /// `head` has one byte at least.
    func extent(of head: [UInt8]) -> Extent {
        switch self {
        case .gatewayV1, .gatewayV2:
            return Self.extent(4, of: head, head.prefix(4).reversed(), in: 4...Self.longest)
        case .pomelo:
            guard PomeloPacket.Kind(rawValue: head[0]) != nil else { return .wrong }
            return Self.extent(4, of: head, head.prefix(4).dropFirst(), in: 0...PomeloPacket.mostBodyBytes)
        case .invoker:
            // Of eight bytes of length the first ones are nothing but zeros.
            guard head.prefix(4).allSatisfy({ $0 == 0 }) else { return .wrong }
            return Self.extent(8, of: head, head.prefix(8).dropFirst(4), in: 2...Self.longest)
        case .mux:
            guard MuxFrame.Kind(rawValue: head[0]) != nil else { return .wrong }
            return Self.extent(8, of: head, head.prefix(8).dropFirst(5), in: 0...MuxFrame.mostPayload)
        case .webSocket:
            do throws(WebSocketError) {
                guard let (header, size) = try Self.webSocketHeader(head) else { return .unknown }
                return header.length <= Self.longest ? .known(size + header.length) : .wrong
            } catch { return .wrong }
        case .mesh: return head[0] == UInt8(ascii: "{") ? .unknown : .wrong
        case .bytes: return .unknown
        }
    }

    /// Of a frame whose length stands within so many bytes, and counts what is behind them.
    private static func extent(
        _ size: Int, of head: [UInt8], _ digits: some Sequence<UInt8>, in range: ClosedRange<Int>
    ) -> Extent {
        guard head.count >= size else { return .unknown }
        let length = digits.reduce(0) { $0 << 8 | Int($1) }
        return range.contains(length) ? .known(size + length) : .wrong
    }

    /// The header of a frame, and how many bytes it has itself.
    static func webSocketHeader(
        _ head: [UInt8]
    ) throws(WebSocketError) -> (header: WebSocketFrameHeader, size: Int)? {
        var reader = ByteReader(unsafe head.span.bytes)  // Safe because bytes have no padding.
        guard let header = try WebSocketFrameHeader.decode(from: &reader) else { return nil }
        return (header, reader.offset)
    }
}
