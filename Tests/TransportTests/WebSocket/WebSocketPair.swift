import OmniwayTesting
import OmniwayTransport
import OmniwayWire

/// A WebSocket over an in-process stream, and either another end of ours or a peer that says byte for byte what a test
/// wants.
struct WebSocketPair {
    let world = SimulatedWorld()
    let stream = InProcess()
    let server: LoopBound<RecordingIntake>

    init(_ webSocket: WebSocket = WebSocket()) async throws {
        server = await world.first.own { _ in RecordingIntake() }
        _ = try await webSocket.over(stream).open(into: [server])
    }

    func dial(_ webSocket: WebSocket = WebSocket(), through network: SeededNetwork? = nil) async -> LoopBound<Recorder>
    {
        if let network { return await dial(webSocket.over(network.over(stream))) }
        return await dial(webSocket.over(stream))
    }

    /// A peer that has no WebSocket of ours. Without a request of its own it asks as it should.
    func dialRaw(_ request: String = WebSocketPair.request(), then frames: [UInt8] = []) async -> LoopBound<Recorder> {
        let peer = await dial(stream)
        await peer.run { _, peer in peer.link?.write(Array(request.utf8) + frames) }
        world.settle()
        return peer
    }

    private func dial(_ dialer: some Dialer) async -> LoopBound<Recorder> {
        let client = await world.first.own { _ in Recorder() }
        await client.run { loop, client in _ = dialer.dial(on: loop, deadline: .seconds(5), handler: client) }
        world.settle()
        return client
    }

    static func request(
        _ target: String = "/", version: String = "13", _ fields: String...
    ) -> String {
        let lines = [
            "GET \(target) HTTP/1.1", "Host: test", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: \(version)",
        ]
        return (lines + fields + ["", ""]).joined(separator: "\r\n")
    }

    static let answer = Array(
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n").utf8)
}

extension Recorder {
    /// What a server of ours sent behind its answer to the handshake.
    var frames: [UInt8] {
        guard bytes.starts(with: WebSocketPair.answer) else { return [] }
        return Array(bytes.dropFirst(WebSocketPair.answer.count))
    }
}

/// One frame. A client's is masked with zeros, so its payload can be read.
func frame(
    _ opcode: WebSocketOpcode, _ payload: [UInt8] = [], final: Bool = true, compressed: Bool = false,
    fromClient: Bool = false
) -> [UInt8] {
    let header = WebSocketFrameHeader(
        opcode, isFinal: final, isCompressed: compressed, mask: fromClient ? WebSocketMask(0) : nil,
        length: payload.count)
    var bytes: [UInt8] = []
    let encoded = header.encoded
    unsafe encoded.bytes.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    return bytes + payload
}

/// The same from a client.
func said(
    _ opcode: WebSocketOpcode, _ payload: [UInt8] = [], final: Bool = true, compressed: Bool = false
) -> [UInt8] {
    frame(opcode, payload, final: final, compressed: compressed, fromClient: true)
}

/// The payload of a close frame.
func code(_ code: UInt16, _ reason: String = "") -> [UInt8] {
    [UInt8(code >> 8), UInt8(code & 255)] + Array(reason.utf8)
}
