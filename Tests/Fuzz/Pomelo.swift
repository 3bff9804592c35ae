import OmniwayCrypto
import OmniwayWire

/// Any bytes, whole and cut at a place that they choose themselves, are the same packets, and nothing traps. What a
/// message says is read again from what is written of it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPomelo(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
    let whole = packets(in: bytes)
    let cut = unsafe Int(data[0]) % (bytes.count + 1)
    let first = packets(in: Array(bytes[..<cut]))
    let second = packets(in: Array(bytes[(first.packets.last?.end ?? 0)...]))
    if first.error == nil {
        precondition(first.packets.count + second.packets.count == whole.packets.count, "a cut changed the packets")
        precondition(second.error == whole.error, "a cut changed the error")
    }
    for packet in whole.packets where packet.kind == .data { checkMessage(Array(bytes[packet.body])) }
    checkMessage(bytes)
    #if PLANTED_BUG
        if whole.packets.count > 1, whole.packets[1].kind == .data, whole.packets[1].body.count == 1 {
            fatalError("planted")
        }
    #endif
    return 0
}

private func packets(in bytes: [UInt8]) -> (packets: [PomeloPacket], error: PomeloError?) {
    let codec = PomeloPacketCodec(maxBodySize: 300)
    return unsafe bytes.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw)
        var packets: [PomeloPacket] = []
        do throws(PomeloError) {
            while let packet = try codec.packet(in: span, at: packets.last?.end ?? 0) { packets.append(packet) }
            return (packets, nil)
        } catch {
            precondition(!error.description.isEmpty)
            return (packets, error)
        }
    }
}

private func checkMessage(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw)
        for sender in [PomeloMessage.Side.client, .server] {
            guard let message = try? PomeloMessage(span, from: sender) else { continue }
            precondition(message.body.upperBound == bytes.count, "a body ends elsewhere")
            if message.isCompressed {
                let body = try? PomeloCompression.inflated(span.extracting(message.body), atMost: 1000, by: pool)
                precondition((body?.count ?? 0) <= 1000, "a body inflated to more than the limit")
            }
            guard let head = head(of: message, in: span, bytes) else { continue }
            checkWriting(head, message, Array(bytes[message.body]), sender)
        }
    }
}

private func checkWriting(
    _ head: PomeloMessageHead, _ message: PomeloMessage, _ body: [UInt8], _ sender: PomeloMessage.Side
) {
    var packet: [UInt8] = []
    do {
        try head.append(to: &packet, body: body.count, isCompressed: message.isCompressed)
    } catch {
        fatalError("what was read cannot be written: \(error)")
    }
    packet += body
    precondition(packet.count - 4 == Int(packet[2]) << 8 | Int(packet[3]), "a wrong length")
    unsafe packet.withUnsafeBytes { raw in
        let span = unsafe RawSpan(_unsafeBytes: raw).extracting(4..<packet.count)
        guard let again = try? PomeloMessage(span, from: sender) else { fatalError("what was written is not read") }
        precondition(again.kind == message.kind && again.id == message.id, "another message was written")
        precondition(again.isError == message.isError && again.isCompressed == message.isCompressed, "another flag")
        precondition(Array(packet[4...][(again.body.lowerBound + 4)...]) == body, "another body")
    }
}

private func head(of message: PomeloMessage, in span: RawSpan, _ bytes: [UInt8]) -> PomeloMessageHead? {
    guard bytes.count < 1 << 15 else { return nil }
    var route = PomeloMessageHead.Route.text("")
    switch message.route {
    case .code(let code)?: route = .code(code)
    case .text(let range)?:
        guard let text = String(validating: bytes[range], as: UTF8.self) else { return nil }
        route = .text(text)
        _ = try? PomeloRoute(text)
    case nil: break
    }
    return switch message.kind {
    case .request: .request(id: message.id, route)
    case .notify: .notify(route)
    case .response: .response(id: message.id, isError: message.isError)
    case .push: .push(route)
    }
}

nonisolated(unsafe) private let pool = DeflatePool()  // The fuzzer has one thread.
