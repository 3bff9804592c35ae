/// How messages are compressed, as both sides agreed: permessage-deflate (RFC 7692, 7.1).
package struct WebSocketDeflate: Equatable, Sendable {
    /// What one side does with the messages that it sends.
    package struct Side: Equatable, Sendable {
        /// 8 to 15. With 8, zlib cannot compress, and messages go as they are.
        package var windowBits: Int
        /// A message may refer to earlier ones.
        package var keepsContext: Bool

        package init(windowBits: Int, keepsContext: Bool) {
            (self.windowBits, self.keepsContext) = (windowBits, keepsContext)
        }
    }

    package var server: Side
    package var client: Side

    package init(server: Side, client: Side) { (self.server, self.client) = (server, client) }

    static let name = "permessage-deflate"

    /// What a side would like: the same for both directions.
    package typealias Wish = Side

    // MARK: The side that accepts

    /// The answer to the first offer that can be accepted; nil when there is none, and messages are not compressed.
    package static func accept(_ offers: [String], _ wish: Wish) -> (agreed: WebSocketDeflate, answer: String)? {
        for offer in offers {
            guard let parameters = Parameters(offer) else { continue }
            return accept(parameters, wish)
        }
        return nil
    }

    private static func accept(_ offer: Parameters, _ wish: Wish) -> (agreed: WebSocketDeflate, answer: String) {
        let agreed = WebSocketDeflate(
            server: Side(
                windowBits: min(wish.windowBits, offer.serverBits ?? 15),
                keepsContext: wish.keepsContext && !offer.serverForgets),
            // Only a client that says so can be asked for a smaller window.
            client: Side(
                windowBits: offer.namesClientBits ? min(wish.windowBits, offer.clientBits ?? 15) : 15,
                keepsContext: wish.keepsContext && !offer.clientForgets))
        var answer = name
        if !agreed.server.keepsContext { answer += "; server_no_context_takeover" }
        if !agreed.client.keepsContext { answer += "; client_no_context_takeover" }
        if agreed.server.windowBits < 15 { answer += "; server_max_window_bits=\(agreed.server.windowBits)" }
        if agreed.client.windowBits < 15 { answer += "; client_max_window_bits=\(agreed.client.windowBits)" }
        return (agreed, answer)
    }

    // MARK: The side that dials

    package static func offer(_ wish: Wish) -> String {
        var offer = name
        if !wish.keepsContext { offer += "; server_no_context_takeover; client_no_context_takeover" }
        if wish.windowBits < 15 { offer += "; server_max_window_bits=\(wish.windowBits)" }
        return offer + "; client_max_window_bits" + (wish.windowBits < 15 ? "=\(wish.windowBits)" : "")
    }

    /// What a server's answer to `offer(wish)` agrees on; nil when it says something that was not offered.
    package init?(answer: String, to wish: Wish) {
        guard let answer = Parameters(answer), !answer.namesClientBits || answer.clientBits != nil,
            wish.keepsContext || answer.serverForgets,
            wish.windowBits == 15 || answer.serverBits ?? 15 <= wish.windowBits
        else { return nil }
        server = Side(windowBits: answer.serverBits ?? 15, keepsContext: !answer.serverForgets)
        client = Side(
            windowBits: min(wish.windowBits, answer.clientBits ?? 15),
            keepsContext: wish.keepsContext && !answer.clientForgets)
    }

    /// The four parameters, each at most once and with a value that it may have.
    private struct Parameters {
        var serverForgets = false
        var clientForgets = false
        var serverBits: Int?
        var clientBits: Int?
        var namesClientBits = false

        init?(_ text: String) {
            guard let element = WebSocketExtension(text), element.name == WebSocketDeflate.name else { return nil }
            var seen: Set<String> = []
            for parameter in element.parameters {
                guard seen.insert(parameter.name).inserted else { return nil }
                let bits = parameter.value.flatMap(Self.bits)
                switch (parameter.name, parameter.value, bits) {
                case ("server_no_context_takeover", nil, _): serverForgets = true
                case ("client_no_context_takeover", nil, _): clientForgets = true
                case ("server_max_window_bits", _, .some): serverBits = bits
                case ("client_max_window_bits", _, .some), ("client_max_window_bits", nil, _):
                    (clientBits, namesClientBits) = (bits, true)
                default: return nil
                }
            }
        }

        private static func bits(_ text: String) -> Int? {
            guard let bits = Int(text), "\(bits)" == text, 8...15 ~= bits else { return nil }
            return bits
        }
    }
}
