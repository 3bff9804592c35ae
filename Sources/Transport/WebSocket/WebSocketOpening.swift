import OmniwayTelemetry
public import OmniwayWire

/// What was said when a WebSocket was opened.
public struct WebSocketOpening: Sendable {
    /// Its path, query and fields.
    public let request: HTTPRequestHead
    /// Both sides may refuse a link without one.
    public let subprotocol: String?
    public let isCompressed: Bool
}

extension Link {
    /// For an intake that accepts a WebSocket, and for its handler in `opened`. Nil afterwards, so that open links do
    /// not hold it, and on other links.
    public var webSocketOpening: WebSocketOpening? { (driver as? WebSocketDriver)?.opening }
}

/// The way of a driver to an open WebSocket.
enum WebSocketHandshake {
    case accepting(HTTPRequestDecoder, WebSocketTerms)
    /// Somebody else has read the request, and answers it.
    case accepted(HTTPRequestHead, WebSocketAgreement)
    case dialing(WebSocket)
    case asked(HTTPResponseDecoder, WebSocketQuestion)
    case done
}

extension WebSocketDriver {
    func beginHandshake(over carrier: Link) {
        precondition(!carrier.keepsMessages, "a WebSocket goes over a stream")
        switch handshake {
        case .dialing(let webSocket): ask(webSocket, over: carrier)
        case .accepted(let request, let agreement): agreed(agreement, on: request, over: carrier)
        case .accepting, .asked, .done: break
        }
    }

    private func ask(_ webSocket: WebSocket, over carrier: Link) {
        var key: [UInt8] = []
        for _ in 0..<16 { key.append(.random(in: 0...255, using: &carrier.loop.random)) }
        let question = WebSocketQuestion(
            host: webSocket.host ?? carrier.traits.peer.hostField, target: webSocket.path ?? "/",
            headers: webSocket.headers, subprotocols: webSocket.subprotocols, deflate: webSocket.compression.wish,
            key: key)
        do throws(HTTPWriteError) {
            carrier.write(try question.request.bytes())
            var decoder = HTTPResponseDecoder()
            decoder.expect(answerTo: .get)
            handshake = .asked(decoder, question)
        } catch {
            fail(.handshakeFailed.with(error.description))
        }
    }

    /// Reads the request or the answer; how many bytes belonged to it.
    func shakeHands(_ bytes: RawSpan, over carrier: Link) -> Int {
        var used = 0
        switch handshake {
        case .accepting(var decoder, let terms):
            handshake = .done  // So that the decoder is not copied while it reads.
            do throws(HTTPMessageError) {
                if try decoder.next(bytes, &used) == .head {
                    answer(decoder.head, terms, over: carrier)
                } else {
                    handshake = .accepting(decoder, terms)
                }
            } catch {
                refuse(HTTPResponseHead(error.status), .handshakeFailed.with(error.description), over: carrier)
            }
        case .asked(var decoder, let question):
            handshake = .done
            do {
                var part = try decoder.next(bytes, &used)
                while part == .head, !decoder.hasSwitched, decoder.head.status.isInformational {
                    part = try decoder.next(bytes, &used)  // Another head follows.
                }
                if part == .head {
                    agreed(try question.read(decoder.head), on: question.request, over: carrier)
                } else {
                    handshake = .asked(decoder, question)
                }
            } catch {
                fail(.handshakeFailed.with("\(error)"))
            }
        case .dialing, .accepted, .done: break
        }
        return used
    }

    private func answer(_ request: HTTPRequestHead, _ terms: WebSocketTerms, over carrier: Link) {
        do {
            let agreement = try terms.accept(request)
            carrier.write(try agreement.answer.bytes())
            agreed(agreement, on: request, over: carrier)
        } catch let refusal as WebSocketRefusal {
            refusal.note(carrier.traits.peer)
            refuse(refusal.answer, refusal.reason.with(refusal.description), over: carrier)
        } catch {
            refuse(HTTPResponseHead(.internalServerError), .handshakeFailed.with("\(error)"), over: carrier)
        }
    }

    /// The answer says in words what the status means.
    private func refuse(_ answer: HTTPResponseHead, _ reason: CloseReason, over carrier: Link) {
        let words = Array((reason.detail ?? reason.name).utf8) + [UInt8(ascii: "\n")]
        var answer = answer
        answer.headers.add("Content-Type", "text/plain; charset=utf-8")
        var bytes: [UInt8] = []
        let fields = HTTPConnectionFields(length: .known(words.count), persistence: .close)
        if (try? answer.write(to: &bytes, adding: fields)) != nil { carrier.write(bytes + words) }
        fail(reason)
    }

    private func agreed(_ agreement: WebSocketAgreement, on request: HTTPRequestHead, over carrier: Link) {
        handshake = .done
        if let deflate = agreement.deflate { compresses(deflate, on: carrier.loop) }
        opening = WebSocketOpening(
            request: request, subprotocol: agreement.subprotocol, isCompressed: agreement.deflate != nil)
        isOpen = true
        keepAlive.start(self, on: carrier.loop)
        complete()
        opening = nil
    }
}

extension WebSocketRefusal {
    /// A page that is not listed may be one that was forgotten in the list.
    func note(_ peer: SocketAddress) {
        guard case .origin(let origin) = self else { return }
        Log.shared.notice("websocket origin refused", ["origin": String(origin.prefix(200)), "peer": "\(peer)"])
    }

    var reason: CloseReason {
        switch self {
        case .path: .webSocketPath
        case .origin: .webSocketOrigin
        case .version: .webSocketVersion
        case .method, .notAskedFor, .body, .key: .handshakeFailed
        }
    }
}

extension CloseReason {
    /// Nothing is served at the path that was asked for.
    public static let webSocketPath = CloseReason("websocket-path")
    /// A browser asked on behalf of a page that is not on the list.
    public static let webSocketOrigin = CloseReason("websocket-origin")
    /// The peer speaks another version of WebSocket.
    public static let webSocketVersion = CloseReason("websocket-version")
}

extension SocketAddress {
    /// As a Host field says it. A socket file and a pipe have none.
    fileprivate var hostField: String { port == 0 ? "localhost" : description }
}
