import OmniwayWire

/// One connection of a client, with one call on it at a time.
final class HTTPClientConnection: LinkHandler {
    private let client: HTTPClient
    private(set) var link: Link?
    private var decoder: HTTPResponseDecoder
    private var call: HTTPCall?
    private var wasOpened = false
    private var calls = 0
    private var hasHeard = false

    init(of client: HTTPClient) {
        self.client = client
        decoder = HTTPResponseDecoder(limits: client.limits.message)
    }

    var isOpen: Bool { link?.state == .open }

    func dials(_ link: Link) { self.link = link }

    /// Sends the call. Connecting links take it already.
    func begin(_ call: HTTPCall) {
        guard let link else { return call.fail(.connectionLost(.done)) }
        self.call = call
        calls += 1
        hasHeard = false
        link.idleLimit = .zero
        decoder.limits = call.limits.message
        decoder.expect(answerTo: call.request.method)
        call.begin(on: self, link)
        if isOpen { call.becameWritable() }
    }

    /// The call will not be answered any more; what may still come for it makes the connection useless. It is broken
    /// off: to a server an end alone could be that of a client that still waits.
    func abandon() {
        call = nil
        link?.close(.abandoned)
    }

    func resume() {
        guard let link else { return }
        link.resumeReading()
        if decoder.owesEnd { link.loop.after(.zero, self) }
    }

    /// The client is closed.
    func end() {
        call?.fail(.closed)
        link?.close(.done)
    }

    // MARK: From the link

    func opened(_ link: Link) {
        wasOpened = true
        call?.becameWritable()
    }

    func writable(_ link: Link) { call?.becameWritable() }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if call == nil {
            link.close(.badResponse.with("bytes that answer no request"))
            return bytes.byteCount
        }
        hasHeard = true
        var offset = 0
        do throws(HTTPMessageError) {
            while let call, call.mayReceive, let part = try decoder.next(bytes, &offset) {
                switch part {
                case .head where decoder.hasSwitched || decoder.head.status.isInformational: break
                case .head: call.received(decoder.head)
                case .body(let range): call.receive(bytes.extracting(range))
                case .end: ended(call, rest: bytes.byteCount - offset)
                }
            }
        } catch { refuse(error) }
        if decoder.hasSwitched, call != nil { handOver(link) }
        return offset
    }

    /// Bytes behind a response answer nothing that was asked.
    private func ended(_ call: HTTPCall, rest: Int) {
        self.call = nil
        // What the server has not taken of the request would be in the way of the next.
        let keepsAlive = decoder.head.keepsAlive && call.request.keepsAlive && client.limits.idle > .zero
        if keepsAlive, call.isWritten, rest == 0, let link, !link.peerHasFinished {
            link.idleLimit = client.limits.idle
            client.isFree(self)
        } else {
            link?.close(.done)
        }
        call.end()
    }

    private func handOver(_ link: Link) {
        guard let call else { return }
        guard let next = call.switched(decoder.head) else { return call.fail(.unexpectedSwitch(decoder.head.status)) }
        self.call = nil
        self.link = nil
        client.hasLeft(self)
        _ = call.leave()
        link.handler = next
        next.opened(link)
        client.startWaiting()
    }

    private func refuse(_ error: HTTPMessageError) {
        let call = call
        self.call = nil
        link?.close(.badResponse.with(error.description))
        call?.fail(.badResponse(error))
    }

    /// The end of the connection is the end of some bodies.
    func finished(_ link: Link) {
        do throws(HTTPMessageError) {
            if try decoder.finish() == .end, let call {
                self.call = nil
                link.close(.finished)
                return call.end()
            }
        } catch  where error != .cutOff || hasHeard {
            return refuse(error)
        } catch {}  // Nothing of a response: `closed` decides whether to ask again.
        link.close(.finished)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        client.hasLeft(self)
        if let call = exchange(&self.call, with: nil) {
            if !wasOpened {
                call.fail(.connectFailed(reason))
            } else if calls > 1, !hasHeard, call.mayRetry {
                client.retry(call)  // The server had closed it before the request came.
            } else {
                call.fail(.connectionLost(reason))
            }
        }
        client.startWaiting()
    }
}

extension HTTPClientConnection: TimerTarget {
    /// A response that was paused at its last piece: no byte comes that would bring its end.
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard let link, link.unread.isEmpty, call != nil, decoder.owesEnd else { return }
        _ = receive(RawSpan(), endOfMessage: false, from: link)
    }
}

extension CloseReason {
    /// A client gave up a request before it had the whole response.
    public static let abandoned = CloseReason("abandoned", sendsTheRest: false)
    /// A server sent something that is no response.
    public static let badResponse = CloseReason("bad-response", sendsTheRest: false)
}
