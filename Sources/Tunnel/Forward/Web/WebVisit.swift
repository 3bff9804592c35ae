import OmniwayTransport
import OmniwayWire

/// One request for a name and the answer of its target, piece by piece in both directions.
final class WebVisit: HTTPExchangeHandler {
    private let visitor: HTTPExchange
    private let way: WebWay
    private let hasBody: Bool
    private var call: HTTPCall?
    private var mayWrite = false
    private var bodyIsWhole = false
    private var hasBegun = false

    static func begin(_ exchange: HTTPExchange, _ way: WebWay, trusted: [AddressRange]) {
        let visit = WebVisit(exchange, way)
        exchange.handler = visit
        if visit.hasBody { exchange.pauseBody() }  // Until there is somebody who takes it.
        var head = HTTPRequestHead(exchange.request.method, exchange.request.resource)
        head.headers = WebFields.onward(
            exchange.request, host: way.host(for: exchange.request), from: exchange.peer, isSecure: exchange.isSecure,
            trusted: trusted, dropsLogin: way.rule.options.login != nil)
        way.whenReady { client in
            guard exchange.isOpen else { return }
            guard let client else { return visit.answer(.badGateway) }
            let body = visit.hasBody ? HTTPRequestBody.pieces(length: exchange.request.headers.bodyLength) : .none
            let call = client.send(head, body, to: visit)
            if !call.isOver { visit.call = call }
        }
    }

    private init(_ visitor: HTTPExchange, _ way: WebWay) {
        (self.visitor, self.way) = (visitor, way)
        hasBody = visitor.request.hasBody
    }

    private func answer(_ status: HTTPStatus) { if visitor.isOpen { WebPage.answer(visitor, status) } }

    // MARK: The request

    func receive(_ bytes: RawSpan, of exchange: HTTPExchange) {
        guard let call, !call.isOver else { return }
        call.write(bytes)
        if call.isFull { exchange.pauseBody() }
    }

    func received(_ exchange: HTTPExchange) {
        bodyIsWhole = true
        if mayWrite { call?.finish() }
    }

    func writable(_ exchange: HTTPExchange) { call?.resume() }

    func clientLeft(_ exchange: HTTPExchange, _ reason: CloseReason) { call?.cancel() }
}

extension WebVisit: HTTPResponseHandler {
    func writable(_ call: HTTPCall) {
        self.call = call
        mayWrite = true
        guard hasBody else { return }
        visitor.resumeBody()
        if bodyIsWhole { call.finish() }
    }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) {
        guard visitor.isOpen else { return call.cancel() }
        hasBegun = true
        visitor.begin(head.status, WebFields.back(head), length: head.headers.bodyLength)
    }

    func receive(_ bytes: RawSpan, of call: HTTPCall) {
        visitor.write(bytes)
        if visitor.isFull { call.pause() }
    }

    func ended(_ call: HTTPCall) {
        self.call = nil
        visitor.finish()
    }

    func failed(_ call: HTTPCall, _ error: HTTPClientError) {
        self.call = nil
        if hasBegun { return visitor.breakOff(error.description) }
        switch error {
        case .connectFailed, .connectionLost: answer(HTTPStatus(way.failure))
        case .badResponse, .unexpectedSwitch: answer(.badGateway)
        case .badRequest: answer(.badRequest)
        case .noResponse, .quiet: answer(.gatewayTimeout)
        case .tooManyWaiting, .noRoom, .closed: answer(.serviceUnavailable)
        case .cancelled: break
        }
    }

    func switched(_ head: HTTPResponseHead, of call: HTTPCall) -> (any LinkHandler)? {
        guard visitor.request.asksForUpgrade else { return nil }
        self.call = nil
        hasBegun = true
        let joint = WebJoint()
        return visitor.upgrade(to: joint, WebFields.back(head)) ? joint : nil
    }
}

extension HTTPStatus {
    /// Why a target was not reached.
    fileprivate init(_ failure: InvokeCode?) {
        switch failure {
        case .offline?, .tooMany?: self = .serviceUnavailable
        case .unreachable?: self = .gatewayTimeout
        default: self = .badGateway
        }
    }
}

/// Joins two links that both leave HTTP at the same time.
private final class WebJoint: LinkHandler {
    private var first: Link?

    func opened(_ link: Link) {
        guard let other = exchange(&first, with: nil) else {
            first = link
            return link.pauseReading()
        }
        do throws(RelayError) { try Relay(other, link) } catch {
            other.close(.reset.with(error.description))
            return link.close(.reset)
        }
        other.resumeReading()
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
}
