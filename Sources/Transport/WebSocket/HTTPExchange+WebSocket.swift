import OmniwayWire

extension HTTPExchange {
    /// Opens the WebSocket that the request asks for, if `webSocket` allows it; the intake is asked for a handler then.
    /// Otherwise the answer says what is wrong.
    public func upgrade(to webSocket: WebSocket, for intake: any LinkIntake) {
        do throws(WebSocketRefusal) {
            let (headers, handler) = try webSocket.upgrade(request, for: intake)
            upgrade(to: handler, headers)
        } catch {
            error.note(peer)
            let answer = error.answer
            respond(answer.status, "\(error)\n", answer.headers)
        }
    }
}
