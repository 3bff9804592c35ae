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
        guard isBulk else {
            Self.join(link, peer.dial(like: link, handler: handler), first())
            return link.resumeReading()
        }
        link.pauseReading()  // Until there is somebody who takes it.
        dialBulk { stream in
            guard !link.hasEnded else {
                stream?.close(.done)
                return
            }
            Self.join(link, stream, first())?.splice()
            link.resumeReading()
        }
    }

    @discardableResult
    private static func join(_ link: Link, _ stream: Link?, _ first: [UInt8]) -> Relay? {
        guard let stream else {
            link.close(.connectFailed)
            return nil
        }
        stream.write(first)
        stream.relaysStream()
        link.relaysStream()
        do throws(RelayError) { return try Relay(link, stream) } catch {
            stream.close(.reset)
            link.close(.reset.with(error.description))
            return nil
        }
    }
}
