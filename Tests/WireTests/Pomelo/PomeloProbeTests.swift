import OmniwayCrypto
import OmniwayTesting
import OmniwayWire
import Testing

/// What the original answered to every oddity that was tried on it, over TCP and over WebSocket. A server that is
/// nothing but these codecs and an echo answers the same.
@Suite struct PomeloProbeTests {
    fileprivate struct Event: Decodable {
        let event: String
        let connection: Int?
        let bytes: Hex?
    }

    fileprivate struct Case: Decodable {
        let name: String
        let events: [Event]
    }

    private struct File: Decodable { let cases: [Case] }

    /// Handlers and sessions of the application, and bytes too long to be recorded.
    private static let others: Set<String> = [
        "panic-with-error", "kick-packet", "second-bind-same-uid-closes-first", "other-server-type", "big-1MiB",
    ]

    /// What the reference lets pass, and this closes.
    private static let stricter: Set<String> = [
        "ack-without-handshake", "type-response-from-client", "type-push-from-client",
    ]

    @Test(arguments: ["tcp", "ws"]) func `a probe is answered as the original answered it`(_ transport: String) throws {
        let cases = try Vectors.decode(File.self, from: "pitaya-probe-\(transport)").cases
        var same = 0
        for probe in cases where !Self.others.contains(probe.name) {
            let server = try EchoServer(keepsMessages: transport == "ws")
            var expected: [String] = []
            for event in probe.events {
                switch event.event {
                case "send": server.receive(try #require(event.bytes).bytes)
                case "receive": expected.append(try said(try #require(event.bytes).bytes))
                case "closed": expected.append("closed")
                default: break
                }
            }
            let answers = try server.sent.map(said) + (server.isClosed ? ["closed"] : [])
            if Self.stricter.contains(probe.name) {
                #expect(answers.last == "closed", "\(probe.name)")
                #expect(expected.last != "closed", "\(probe.name)")
            } else {
                #expect(answers == expected, "\(probe.name)")
                same += 1
            }
        }
        #expect(same == 37)
    }

    /// Bytes that are compressed count by what they inflate to.
    private func said(_ packet: [UInt8]) throws -> String {
        try lending(packet) { span in
            guard packet[0] == 4 else { return "\(packet)" }
            let bytes = span.extracting(4..<packet.count)
            let message = try PomeloMessage(bytes, from: .server)
            let body = bytes.extracting(message.body)
            guard message.isCompressed else { return "\(packet)" }
            let whole = try PomeloCompression.inflated(body, atMost: 1 << 20, by: DeflatePool())
            return "compressed \(message.kind) \(message.id) \(message.isError) \(whole)"
        }
    }
}

private final class EchoServer {
    private let codec = PomeloPacketCodec(maxBodySize: 1 << 20)
    private let answer = PomeloHandshakeAnswer(heartbeat: .seconds(30))
    private let dictionary = PomeloDictionary()
    private let pool = DeflatePool()
    private let keepsMessages: Bool
    private var serving = PomeloServing()
    private var unread: [UInt8] = []
    private(set) var sent: [[UInt8]] = []
    private(set) var isClosed = false

    init(keepsMessages: Bool) throws { self.keepsMessages = keepsMessages }

    func receive(_ bytes: [UInt8]) {
        unread += bytes
        do throws(PomeloError) {
            while !isClosed, !unread.isEmpty {
                let read = unread
                let next = try lending(read) { span throws(PomeloError) in
                    keepsMessages ? try codec.packet(of: span) : try codec.packet(in: span, at: 0)
                }
                guard let packet = next else { return }
                unread.removeFirst(packet.end)
                try handle(packet.kind, Array(read[packet.body]))
            }
        } catch {
            isClosed = true
        }
    }

    private func handle(_ kind: PomeloPacket.Kind, _ body: [UInt8]) throws(PomeloError) {
        switch serving.receive(kind) {
        case .decide: try greet(body)
        case .deliver: try lending(body) { bytes throws(PomeloError) in try echo(bytes) }
        case .begin, .ignore: break
        case .close(let error): throw error
        }
    }

    private func greet(_ body: [UInt8]) throws(PomeloError) {
        let handshake = try? lending(body) { try PomeloHandshake($0, limits: generousLimits) }
        var answer = answer
        if let handshake, handshake.user["reject"] != true {
            guard serving.accept() else { return }
        } else {
            answer.code = PomeloHandshakeAnswer.refused
            guard serving.refuse() else { return }
            isClosed = true
        }
        sent.append(try PomeloPacket.bytes(.handshake, answer.body(compressedBy: pool)))
    }

    private func echo(_ bytes: RawSpan) throws(PomeloError) {
        let message = try PomeloMessage(bytes, from: .client)
        var body = unsafe bytes.extracting(message.body).withUnsafeBytes { unsafe Array($0) }
        if message.isCompressed {
            body = try PomeloCompression.inflated(bytes.extracting(message.body), atMost: 1 << 20, by: pool)
        }
        guard let route = message.route else { return }
        let text = try dictionary.text(of: route, in: bytes)
        guard message.kind == .request, message.id > 0 else { return }
        do {
            let route = try PomeloRoute(text)
            if route.short == "room.echo" { return try send(.response(id: message.id), body) }
            let words = "pitaya/handler: \(text) not found"
            try send(.response(id: message.id, isError: true), PomeloFailure(code: "PIT-404", message: words).json)
        } catch let fault as PomeloRoute.Fault {
            let failure = PomeloFailure(code: "PIT-400", message: "\(fault)")
            try send(.response(id: message.id, isError: true), failure.json)
        } catch let error as PomeloError {
            throw error
        } catch {
            isClosed = true
        }
    }

    private func send(_ head: PomeloMessageHead, _ body: [UInt8]) throws(PomeloError) {
        var packet: [UInt8] = []
        let compressed = lending(body) { PomeloCompression(threshold: 0).compressed($0, by: pool) }
        let body = compressed ?? body
        try head.append(to: &packet, body: body.count, isCompressed: compressed != nil)
        sent.append(packet + body)
    }
}
