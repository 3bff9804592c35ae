import OmniwayTransport

extension CarrierPeer {
    /// A stream for a stream, a flow for a flow.
    func dial(like link: Link, handler: any LinkHandler) -> Link? {
        link.traits.keepsMessages ? dialDatagrams(handler: handler) : dial(handler: handler)
    }
}

extension CarrierClient {
    /// Joins a link with a stream of its own, which begins with some bytes. Until then it may be paused.
    func join(_ link: Link, isBulk: Bool, handler: any LinkHandler, _ first: @escaping () -> [UInt8]) {
        guard isBulk, bulk.takesOne() else {
            Self.join(link, peer.dial(like: link, handler: handler), first())
            return link.resumeReading()
        }
        link.pauseReading()  // Until there is somebody who takes it.
        dialBulk { [bulk] stream in
            guard !link.hasEnded else {
                bulk.giveBack()
                stream?.close(.done)
                return
            }
            if let relay = Self.join(link, stream, first(), owner: bulk) {
                relay.splice()
            } else {
                bulk.giveBack()
            }
            link.resumeReading()
        }
    }

    @discardableResult
    private static func join(
        _ link: Link, _ stream: Link?, _ first: [UInt8], owner: (any RelayOwner)? = nil
    ) -> Relay? {
        guard let stream else {
            link.close(.connectFailed)
            return nil
        }
        stream.write(first)
        stream.relaysStream()
        link.relaysStream()
        do throws(RelayError) { return try Relay(link, stream, owner: owner) } catch {
            stream.close(.reset)
            link.close(.reset.with(error.description))
            return nil
        }
    }
}

/// Links that have a stream with a connection of its own, or are about to have one.
final class BulkCount: RelayOwner {
    private(set) var now = 0
    /// What comes then goes with the others.
    private static let most = 256

    /// False when there are enough.
    func takesOne() -> Bool {
        guard now < Self.most else { return false }
        now += 1
        return true
    }
    func giveBack() { now -= 1 }
    func relayEnded(_ relay: Relay, _ reason: CloseReason) { giveBack() }
}
