import OmniwayTransport
import OmniwayWire

/// A server behind a gateway that does what its clients tell it, and sends all other messages back.
final class ObedientServer: LinkHandler {
    private let codec = GatewayCodec(.v2, maxPacketSize: 1 << 20)
    private let id: EndpointID
    private let key: String
    private let ready: AsyncStream<Void>.Continuation
    private var hasLoggedIn = false
    private var talks: [ConnectionID: Talk] = [:]
    /// On which connections a client waits for another: to end, or to come about.
    private var watchers: [ConnectionID: ConnectionID] = [:]
    private var askers: [ConnectionID] = []

    private struct Talk {
        let client: EndpointID
        /// Who asked for it, when the server has dialled.
        var asker: ConnectionID?
        var messages = 0
        var bytes = 0
        var isQuiet = false
    }

    /// Returns when the gateway knows the server.
    static func connect(to address: SocketAddress, as id: EndpointID, key: String, on loop: EventLoop) async {
        let (stream, ready) = AsyncStream.makeStream(of: Void.self)
        await loop.run { loop in
            let server = ObedientServer(id, key, ready)
            _ = StreamDialer(address).dial(on: loop, deadline: .seconds(5), handler: server)
        }
        for await _ in stream { break }
    }

    private init(_ id: EndpointID, _ key: String, _ ready: AsyncStream<Void>.Continuation) {
        (self.id, self.key, self.ready) = (id, key, ready)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        if !hasLoggedIn {
            guard bytes.byteCount >= GatewayLogin.challengeSize else { return 0 }
            offset = GatewayLogin.challengeSize
            let challenge = unsafe bytes.extracting(0..<offset).withUnsafeBytes { unsafe Array($0) }
            link.write(GatewayLogin.answer(to: challenge, key: Array(key.utf8), as: id))
            say(.ping, link)  // Its answer says that the login was right.
            hasLoggedIn = true
        }
        do throws(GatewayError) {
            while let frame = try codec.frame(in: bytes, at: offset) {
                let payload = bytes.extracting(frame.payload)
                if frame.isCommand {
                    obey(try codec.command(payload), link)
                } else {
                    hear(unsafe payload.withUnsafeBytes { unsafe Array($0) }, on: frame.connection, link)
                }
                offset = frame.end
            }
        } catch {
            link.close(.done.with("\(error)"))
        }
        return offset
    }

    private func obey(_ command: GatewayCommand, _ link: Link) {
        switch command {
        case .ping: ready.yield()
        case .connect(let id, let client): talks[id] = Talk(client: client)
        case .accept(let id, let client):
            talks[id] = Talk(client: client, asker: askers.removeFirst())
            send(Array("greeting".utf8), on: id, link)
        case .close(let id):
            guard let talk = talks.removeValue(forKey: id) else { return }
            if let asker = talk.asker, talks[asker] != nil { send(Array("hung up".utf8), on: asker, link) }
            if let watcher = watchers.removeValue(forKey: id) {
                send(Array("closed \(id) after \(talk.messages)".utf8), on: watcher, link)
            }
        case .new, .open, .dial, .refuse: link.close(.done.with("not expected: \(command)"))
        }
    }

    private func hear(_ message: [UInt8], on id: ConnectionID, _ link: Link) {
        guard var talk = talks[id] else { return }
        talk.messages += 1
        talk.bytes += message.count
        defer { if talks[id] != nil { talks[id] = talk } }
        let words = message.count < 32 ? String(decoding: message, as: UTF8.self) : ""
        switch words {
        case "close": say(.close(id), link)
        case "dial me":
            askers.append(id)
            say(.dial(talk.client, as: 0), link)
        case "flood":
            for number in 0..<2000 { send([UInt8(truncatingIfNeeded: number), 0, 0, 0], on: id, link) }
        case "quiet":
            send(message, on: id, link)
            (talk.messages, talk.bytes, talk.isQuiet) = (0, 0, true)
        case "count":
            send(Array("\(talk.messages - 1) messages, \(talk.bytes - message.count) bytes".utf8), on: id, link)
        case _ where words.hasPrefix("watch "):
            guard let watched = UInt32(words.dropFirst(6)) else { return }
            watchers[ConnectionID(rawValue: watched)] = id
        default: if !talk.isQuiet { send(message, on: id, link) }
        }
    }

    private func say(_ command: GatewayCommand, _ link: Link) { link.write(codec.bytes(of: command).span) }

    private func send(_ payload: [UInt8], on id: ConnectionID, _ link: Link) {
        link.write(TestPeer.frame(id, payload))
    }

    func closed(_ link: Link, _ reason: CloseReason) { ready.finish() }
}
