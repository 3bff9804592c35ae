import OmniwayCrypto

/// What an accepting side asks of a request before the connection becomes a WebSocket (RFC 6455, 4.2).
package struct WebSocketTerms: Sendable {
    /// Nil is any path.
    package var path: String?
    /// Who may ask, of those that say where they come from, as browsers do. Nil is anybody.
    package var origins: [String]?
    package var subprotocols: [String]
    /// Nil does not compress.
    package var deflate: WebSocketDeflate.Wish?

    package init(path: String?, origins: [String]?, subprotocols: [String], deflate: WebSocketDeflate.Wish?) {
        (self.path, self.origins) = (path, origins)
        (self.subprotocols, self.deflate) = (subprotocols, deflate)
    }

    /// What was agreed on, and the response that says so.
    package func accept(_ request: HTTPRequestHead) throws(WebSocketRefusal) -> WebSocketAgreement {
        if let path, request.path != path { throw .path(String(request.path)) }
        guard request.method == .get else { throw .method(request.method.rawValue) }
        let headers = request.headers
        guard request.asksUpgrade(to: "websocket") else { throw .notAskedFor }
        guard headers.values(of: "sec-websocket-version") == ["13"] else { throw .version }
        guard !headers.contains("transfer-encoding"), headers["content-length"] ?? "0" == "0" else { throw .body }
        let keys = headers.values(of: "sec-websocket-key")
        guard keys.count == 1, Base64.decode(keys[0])?.count == 16 else { throw .key }
        try checkOrigin(headers)
        var agreement = WebSocketAgreement(answer: HTTPResponseHead(.switchingProtocols))
        agreement.answer.headers = [
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": WebSocketKey.answer(to: keys[0]),
        ]
        // The client names first what it likes best.
        if let chosen = headers.list("sec-websocket-protocol").first(where: subprotocols.contains) {
            agreement.subprotocol = chosen
            agreement.answer.headers.add("Sec-WebSocket-Protocol", chosen)
        }
        if let deflate, let accepted = WebSocketDeflate.accept(headers.list("sec-websocket-extensions"), deflate) {
            agreement.deflate = accepted.agreed
            agreement.answer.headers.add("Sec-WebSocket-Extensions", accepted.answer)
        }
        return agreement
    }

    private func checkOrigin(_ headers: HTTPHeaders) throws(WebSocketRefusal) {
        guard let origins else { return }
        for origin in headers.values(of: "origin") where !origins.contains(origin.lowercased()) {
            throw .origin(origin)
        }
    }
}

/// What both sides agreed on when the connection became a WebSocket.
package struct WebSocketAgreement: Sendable {
    package var answer: HTTPResponseHead
    package var subprotocol: String?
    package var deflate: WebSocketDeflate?

    package init(answer: HTTPResponseHead) { self.answer = answer }
}

/// Why a request does not open a WebSocket.
public enum WebSocketRefusal: Error, Equatable, CustomStringConvertible {
    case path(String)
    case method(String)
    case notAskedFor
    case version
    case body
    case key
    case origin(String)

    /// How a server answers.
    public var answer: HTTPResponseHead {
        switch self {
        case .path: HTTPResponseHead(.notFound)
        case .method: HTTPResponseHead(.methodNotAllowed, ["Allow": "GET"])
        case .notAskedFor, .version:
            HTTPResponseHead(
                .upgradeRequired, ["Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"])
        case .body, .key: HTTPResponseHead(.badRequest)
        case .origin: HTTPResponseHead(.forbidden)
        }
    }

    public var description: String {
        switch self {
        case .path(let path): "nothing is served at \(path); ask for the path that the server was given"
        case .method(let method): "a WebSocket is asked for by GET, not by \(method)"
        case .notAskedFor: "the request does not ask for a WebSocket; send Upgrade: websocket and Connection: Upgrade"
        case .version: "only version 13 is spoken here; send Sec-WebSocket-Version: 13"
        case .body: "the request has a body; a WebSocket begins right behind the head"
        case .key: "Sec-WebSocket-Key is not 16 bytes in base 64; send one such field"
        case .origin(let origin): "\(origin) is not among the origins that may connect; add it to them"
        }
    }
}

/// Proof that the other side speaks WebSocket and read this very request (RFC 6455, 4.2.2).
package enum WebSocketKey {
    package static func answer(to key: String) -> String {
        Base64.encode(Digest.sha1(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }
}
