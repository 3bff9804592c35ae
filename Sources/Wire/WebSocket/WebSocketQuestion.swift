/// What a dialling side asks for, and how it reads the answer (RFC 6455, 4.1).
package struct WebSocketQuestion: Sendable {
    package let request: HTTPRequestHead
    private let key: String
    private let subprotocols: [String]
    private let deflate: WebSocketDeflate.Wish?

    /// `key` are 16 random bytes, and `headers` are fields of the application's own.
    package init(
        host: String, target: String, headers: HTTPHeaders, subprotocols: [String], deflate: WebSocketDeflate.Wish?,
        key bytes: [UInt8]
    ) {
        key = Base64.encode(bytes)
        (self.subprotocols, self.deflate) = (subprotocols, deflate)
        var fields: HTTPHeaders = [
            "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        ]
        if !subprotocols.isEmpty { fields.add("Sec-WebSocket-Protocol", subprotocols.joined(separator: ", ")) }
        if let deflate { fields.add("Sec-WebSocket-Extensions", WebSocketDeflate.offer(deflate)) }
        for (name, value) in headers { fields.add(name, value) }
        request = HTTPRequestHead(.get, target, fields)
    }

    package func read(_ answer: HTTPResponseHead) throws(WebSocketAnswerError) -> WebSocketAgreement {
        let headers = answer.headers
        guard answer.status == .switchingProtocols else { throw .status(answer.status.code, answer.reason) }
        guard headers.lists("upgrade", "websocket"), headers.lists("connection", "upgrade") else {
            throw .notWebSocket
        }
        guard headers.values(of: "sec-websocket-accept") == [WebSocketKey.answer(to: key)] else { throw .key }
        var agreement = WebSocketAgreement(answer: answer)
        let chosen = headers.values(of: "sec-websocket-protocol")
        guard chosen.count <= 1, chosen.allSatisfy(subprotocols.contains) else {
            throw .subprotocol(chosen.joined(separator: ", "))
        }
        agreement.subprotocol = chosen.first
        let extensions = headers.list("sec-websocket-extensions")
        if let first = extensions.first {
            guard extensions.count == 1, let deflate, let agreed = WebSocketDeflate(answer: first, to: deflate) else {
                throw .extensions(extensions.joined(separator: ", "))
            }
            agreement.deflate = agreed
        }
        return agreement
    }
}

/// Why an answer does not open a WebSocket.
package enum WebSocketAnswerError: Error, Equatable, CustomStringConvertible {
    case status(Int, String)
    case notWebSocket
    case key
    case subprotocol(String)
    case extensions(String)

    package var description: String {
        switch self {
        case .status(let code, let reason): "the server answered \(code) \(reason)"
        case .notWebSocket: "the server switches to something else than a WebSocket"
        case .key: "Sec-WebSocket-Accept does not answer the key that was sent; is a cache in between?"
        case .subprotocol(let name): "the server chose the subprotocol \(name), which was not asked for"
        case .extensions(let words): "the server chose the extensions \(words), which were not offered so"
        }
    }
}
