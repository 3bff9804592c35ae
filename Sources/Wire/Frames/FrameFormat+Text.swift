/// What frames say, in a line that a person reads. Nothing in them is trusted.
extension FrameFormat {
    public func text(of frame: SeenFrame) -> String {
        guard frame.isReadable else { return "not \(rawValue): " + Self.preview(frame.head[...], of: frame.count) }
        return switch self {
        case .gatewayV1: Self.gateway(frame, .v1)
        case .gatewayV2: Self.gateway(frame, .v2)
        case .pomelo: Self.pomelo(frame)
        case .invoker: Self.invoker(frame)
        case .mux: Self.mux(frame)
        case .mesh: Self.mesh(frame)
        case .webSocket: Self.webSocket(frame)
        case .bytes: Self.preview(frame.head[...], of: frame.count)
        }
    }

    private static func gateway(_ frame: SeenFrame, _ dialect: GatewayDialect) -> String {
        let payload = frame.head.dropFirst(GatewayCodec.headerSize)
        let id = frame.head.prefix(GatewayCodec.headerSize).dropFirst(4).reversed().reduce(UInt32(0)) {
            $0 << 8 | UInt32($1)
        }
        let words = preview(payload, of: frame.count - GatewayCodec.headerSize)
        guard id == 0 else { return "message on \(id): \(words)" }
        let command = Array(payload)
        // Safe because bytes have no padding.
        guard let said = try? GatewayCodec(dialect).command(unsafe command.span.bytes) else {
            return "no command, perhaps a login: \(words)"
        }
        return "\(said)"
    }

    private static func pomelo(_ frame: SeenFrame) -> String {
        guard let kind = PomeloPacket.Kind(rawValue: frame.head[0]) else { return "" }
        let body = Array(frame.head.dropFirst(PomeloPacket.headSize))
        let words = preview(body[...], of: frame.count - PomeloPacket.headSize)
        guard kind == .data else { return "\(kind) \(words)" }
        // Safe because bytes have no padding.
        let bytes = unsafe body.span.bytes
        guard let message = (try? PomeloMessage(bytes, from: .client)) ?? (try? PomeloMessage(bytes, from: .server))
        else { return "data that is no message: \(words)" }
        var text = message.isError ? "failed \(message.kind)" : "\(message.kind)"
        if message.kind == .request || message.kind == .response { text += " \(message.id)" }
        switch message.route {
        case .text(let range)?: text += " \(bytes.text(range))"
        case .code(let code)?: text += " route \(code)"
        case nil: break
        }
        let missing = frame.count - frame.head.count
        let said = preview(body[message.body], of: message.body.count + missing)
        return text + (message.isCompressed ? ", compressed: " : ": ") + said
    }

    private static func invoker(_ frame: SeenFrame) -> String {
        let json = Array(frame.head.dropFirst(InvokeCodec.headerSize))
        // Safe because bytes have no padding.
        guard frame.isWhole, let message = try? InvokeCodec().message(unsafe json.span.bytes) else {
            return preview(json[...], of: frame.count - InvokeCodec.headerSize)
        }
        switch message {
        case .request(let request):
            let headers = request.headers.map { " \($0.name)=\($0.value)" }.joined()
            return "request \(request.path)\(headers) \(request.body)"
        case .response(let response):
            let headers = response.headers.map { " \($0.name)=\($0.value)" }.joined()
            return "response \(response.code) \(response.message)\(headers) \(response.body)"
        }
    }

    private static func mux(_ frame: SeenFrame) -> String {
        guard frame.head.count >= MuxFrame.headerSize, let kind = MuxFrame.Kind(rawValue: frame.head[0])
        else { return "" }
        let flags = MuxFrame.Flags(rawValue: frame.head[1])
        let stream = frame.head[2..<5].reduce(0) { $0 << 8 | Int($1) }
        let payload = frame.head.dropFirst(MuxFrame.headerSize)
        let marks = (flags.contains(.fin) ? " fin" : "") + (flags.contains(.ack) ? " ack" : "")
        let start = "\(kind)\(marks) stream \(stream)"
        switch kind {
        case .data, .datagram: return "\(start): \(preview(payload, of: frame.count - MuxFrame.headerSize))"
        case .open, .window, .reset, .ping, .goAway:
            return "\(start) number \(payload.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })"
        }
    }

    private static func mesh(_ frame: SeenFrame) -> String {
        // Safe because bytes have no padding.
        guard frame.isWhole, let message = try? PheromoneMessage(unsafe frame.head.span.bytes) else {
            return preview(frame.head[...], of: frame.count)
        }
        return "\(message.operation) from \(message.name): \(preview(message.data[...], of: message.data.count))"
    }

    private static func webSocket(_ frame: SeenFrame) -> String {
        guard let (header, size) = try? webSocketHeader(frame.head) else { return "" }
        let mask = header.mask?.bytes ?? [0, 0, 0, 0]
        let payload = frame.head.dropFirst(size).enumerated().map { $1 ^ mask[$0 & 3] }
        let marks = (header.isFinal ? "" : ", to be continued") + (header.isCompressed ? ", compressed" : "")
        return "\(header.opcode)\(marks): \(preview(payload[...], of: header.length))"
    }

    /// Most characters of text, and bytes that are none, that a line has.
    private static let (mostText, mostBytes) = (400, 64)

    /// Text as it is, anything else as hexadecimal numbers; and how much more there is.
    static func preview(_ bytes: ArraySlice<UInt8>, of count: Int) -> String {
        guard count > 0 else { return "nothing" }
        let isText = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }
        var check = UTF8Check()
        let all = Array(bytes)
        // Safe because bytes have no padding.
        guard isText, check.check(unsafe all.span.bytes) else {
            let shown = bytes.prefix(mostBytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return shown.joined(separator: " ") + more(count - shown.count)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let shown = text.prefix(mostText)
        return String(shown) + more(count - shown.utf8.count)
    }

    private static func more(_ count: Int) -> String { count > 0 ? " and \(count) bytes more" : "" }
}
