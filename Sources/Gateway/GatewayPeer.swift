import OmniwayTransport
import OmniwayWire

/// One physical connection of a client or of a server, on its loop.
final class GatewayPeer: GatewayHandler {
    let side: GatewaySide
    let id: EndpointID
    let codec: GatewayCodec
    let place: Place
    let link: Link
    let shard: GatewayShard
    let quiet: QuietWatch
    let since: Moment

    /// Its virtual connections, in no order: one that ends is replaced by the last.
    var connections: [ConnectionID] = []
    /// Ids that a v1 peer has been given and not used yet.
    private var opened: [ConnectionID] = []
    /// What it has sent, and what ended virtual connections have brought it.
    var sent = Traffic()
    var received = Traffic()

    init(_ side: GatewaySide, _ id: EndpointID, _ codec: GatewayCodec, on link: Link, of shard: GatewayShard) {
        (self.side, self.id, self.codec, self.link, self.shard) = (side, id, codec, link, shard)
        place = Place(link: link.id, loop: UInt8(shard.loop.index))
        since = shard.loop.now
        quiet = QuietWatch(codec.dialect, shard.settings[side], link)
    }

    var frameFormat: FrameFormat? { codec.dialect.frameFormat }
    func opened(_ link: Link) { quiet.start() }

    // MARK: What the peer says

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        var frames: UInt64 = 0
        do throws(GatewayError) {
            while let frame = try codec.frame(in: bytes, at: offset) {
                let goesOn =
                    try frame.isCommand
                    ? obey(codec.command(bytes.extracting(frame.payload)))
                    : shard.forward(bytes.extracting(frame.range), of: frame.connection, from: self)
                guard goesOn else { break }
                frames += 1
                offset = frame.end
            }
        } catch {
            link.close(.protocolError.with("\(error)"))
        }
        if frames > 0 {
            quiet.heard(at: shard.loop.now)
            sent.frames &+= frames
            sent.bytes &+= UInt64(offset)
            shard.counters.received(frames, offset, from: side)
        }
        return offset
    }

    /// False when the link was closed, or the command is to come again.
    private func obey(_ command: GatewayCommand) -> Bool {
        switch (codec.dialect, command) {
        case (.v1, .new): openID()
        case (_, .dial(let remote, let id)): if !shard.dial(remote, as: id, by: self) { return false }
        case (_, .close(let id)): if !forget(id) { shard.hangUp(id, by: self) }
        case (.v1, .ping): quiet.pingAnswered()
        case (.v2, .ping): say(.ping)
        case (_, .accept), (_, .connect), (_, .refuse), (_, .open), (.v2, .new):
            link.close(.protocolError.with("\(side) \(id) sent a command that only gateways send"))
        }
        return link.state != .closed
    }

    func say(_ command: GatewayCommand) { link.write(codec.bytes(of: command).span) }

    // MARK: Ids of v1

    /// Unused ids that one peer may have; the oldest is taken back when there are more.
    private static let mostOpened = 1024

    private func openID() {
        if opened.count == Self.mostOpened { shard.directory.release(opened.removeFirst()) }
        let id = shard.directory.newConnection(isIdle: true)
        opened.append(id)
        say(.open(id))
    }

    func hasOpened(_ id: ConnectionID) -> Bool { opened.contains(id) }

    /// The id is used now, or not wanted any more.
    func uses(_ id: ConnectionID) { opened.removeAll { $0 == id } }

    private func forget(_ id: ConnectionID) -> Bool {
        guard opened.contains(id) else { return false }
        uses(id)
        shard.directory.release(id)
        return true
    }

    func writable(_ link: Link) { shard.isWritable(self) }

    func closed(_ link: Link, _ reason: CloseReason) {
        quiet.stop()
        for id in exchange(&opened, with: []) { shard.directory.release(id) }
        shard.left(self, reason)
    }
}
