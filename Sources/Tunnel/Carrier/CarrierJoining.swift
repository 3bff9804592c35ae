import OmniwayTransport
import OmniwayWire

/// The handler of a dialled connection until the server has taken it for what it is.
final class CarrierJoining: LinkHandler {
    struct Joined {
        let link: Link
        let id: String
        let terminal: String
    }
    struct Failure: Error { let reason: CloseReason }

    private enum State { case id, proof(Joined), over }
    private let hello: CarrierHello
    private let codec: InvokeCodec
    private let key: [UInt8]
    private var state = State.id
    private var then: ((Result<Joined, Failure>) -> Void)?

    init(
        _ hello: CarrierHello, codec: InvokeCodec, key: [UInt8],
        then: @escaping (Result<Joined, Failure>) -> Void
    ) {
        (self.hello, self.codec, self.key, self.then) = (hello, codec, key, then)
    }

    func opened(_ link: Link) {
        link.limits.unread = max(link.limits.unread, codec.maxFrameSize + InvokeCodec.headerSize)
        var bytes: [UInt8] = []
        do throws(InvokeError) {
            try hello.write(to: &bytes, codec)
            link.write(bytes)
            link.loop.after(Self.patience, self, token: 0)
            self.link = link.id
        } catch { link.close(.protocolError.with(error.description)) }
    }
    private var link: LinkID?
    /// How long the server may take to answer.
    private static let patience = Duration.seconds(10)

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        do throws(InvokeError) {
            guard let range = try codec.frame(in: bytes) else { return 0 }
            try take(codec.message(bytes.extracting(range)), link)
            return range.upperBound
        } catch {
            link.close(.protocolError.with(error.description))
            return bytes.byteCount
        }
    }

    private func take(_ message: InvokeMessage, _ link: Link) throws(InvokeError) {
        switch (state, message) {
        case (.id, .request(let request)) where request.key == CarrierHello.Path.id:
            let id = request.headers["InvokerId"] ?? ""
            let joined = Joined(link: link, id: id, terminal: request.headers["TerminalId"] ?? "")
            if hello.kind == .command { return finish(.success(joined)) }
            state = .proof(joined)
            try prove(id, link)
        case (.proof(let joined), .response(let response)):
            if response.code == .success { return finish(.success(joined)) }
            link.close(.refused.with(response.message))
        case (.id, _), (.proof, _): throw .malformed("the server says something else than what it was asked")
        case (.over, _): break
        }
    }

    private func prove(_ id: String, _ link: Link) throws(InvokeError) {
        let proof = CarrierHello.proof(hello.kind.rawValue, connection: id, session: hello.session, key: key)
        let requestID = UUIDText.random(using: &link.loop.random)
        let headers: InvokeHeaders = [CarrierHello.Header.proof: proof, InvokeRequest.kindHeader: "bidi"]
        var bytes: [UInt8] = []
        let request = InvokeRequest(id: requestID, path: CarrierHello.Path.proof, headers: headers)
        try codec.write(.request(request), to: &bytes)
        link.write(bytes)
    }

    private func finish(_ result: Result<Joined, Failure>) {
        state = .over
        exchange(&then, with: nil)?(result)
    }

    func fail(_ reason: CloseReason) { finish(.failure(Failure(reason: reason))) }

    func finished(_ link: Link) { link.close(.handshakeFailed.with("the server left")) }
    func closed(_ link: Link, _ reason: CloseReason) { fail(reason) }
}

extension CarrierJoining: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        guard case .over = state else {
            if let link { loop.link(link)?.close(.handshakeTimeout.with("the server did not answer")) }
            return
        }
    }
}
