import OmniwayWire

/// Any bytes are the same frames and commands whole and in two pieces, and nothing traps. A command that is written
/// again is read as itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGatewayFrame(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let choices = unsafe (data[0], data[1])
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 2, count: count - 2))
    let codec = GatewayCodec(choices.0 & 1 == 0 ? .v1 : .v2, maxPacketSize: 13 + Int(choices.0 >> 1))
    let cut = Int(choices.1) % (bytes.count + 1)
    var whole = Listener(codec)
    whole.hear(bytes)
    var halves = Listener(codec)
    halves.hear(Array(bytes[..<cut]))
    halves.hear(Array(bytes[cut...]))
    precondition(whole == halves, "a cut changed what was heard")
    return 0
}

private enum Heard: Equatable {
    case frame(of: ConnectionID, [UInt8])
    case command(GatewayCommand)
    case error(GatewayError)
}

private struct Listener: Equatable {
    private let codec: GatewayCodec
    private var unread: [UInt8] = []
    private var said: [Heard] = []
    private var isOver = false

    init(_ codec: GatewayCodec) { self.codec = codec }

    static func == (a: Listener, b: Listener) -> Bool {
        a.said == b.said && a.isOver == b.isOver && (a.isOver || a.unread == b.unread)
    }

    mutating func hear(_ bytes: [UInt8]) {
        if isOver { return }
        unread += bytes
        let all = unread
        var used = 0
        unsafe all.withUnsafeBytes { raw in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            do throws(GatewayError) {
                while let frame = try codec.frame(in: span, at: used) {
                    precondition(frame.start == used && frame.end <= all.count && frame.count >= 8, "a frame elsewhere")
                    precondition(frame.count - 4 <= codec.maxPacketSize, "a frame above the limit")
                    if frame.isCommand {
                        try check(codec.command(span.extracting(frame.payload)))
                    } else {
                        said.append(.frame(of: frame.connection, Array(all[frame.payload])))
                        checkHeader(Array(all[frame.range]), frame)
                    }
                    used = frame.end
                }
            } catch {
                said.append(.error(error))
                isOver = true
            }
        }
        unread.removeFirst(used)
        precondition(isOver || unread.count < codec.maxPacketSize + 4, "more is left unread than a frame")
    }

    private mutating func check(_ command: GatewayCommand) {
        said.append(.command(command))
        #if PLANTED_BUG
            if case .accept(let id, _) = command, id.rawValue >> 24 == 0x6f { fatalError("planted") }
        #endif
        let written = codec.bytes(of: command)
        let frame = try? codec.frame(in: written.span, at: 0)
        guard let frame, frame.isCommand, frame.end == written.span.byteCount else {
            fatalError("no frame was written")
        }
        let again = try? codec.command(written.span.extracting(frame.payload))
        precondition(again == command, "written, it is another")
    }

    private func checkHeader(_ bytes: [UInt8], _ frame: GatewayFrame) {
        let header = GatewayCodec.header(of: frame.connection, payload: frame.payload.count)
        precondition(header.indices.allSatisfy { header[$0] == bytes[$0] }, "written, its header is another")
    }
}
