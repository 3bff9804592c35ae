/// One element of Sec-WebSocket-Extensions: `name; parameter; parameter=value` (RFC 6455, 9.1).
struct WebSocketExtension: Equatable {
    var name: String
    var parameters: [Parameter] = []

    struct Parameter: Equatable {
        var name: String
        var value: String?
    }

    /// Nil when the text is none.
    init?(_ text: String) {
        var parts = Self.split(text)[...]
        guard let name = parts.popFirst(), Self.isToken(name) else { return nil }
        self.name = name
        for part in parts {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(Self.trim)
            var value = sides.count > 1 ? sides[1] : nil
            // A quoted value must be a token once the quotes are gone, so it needs no escapes.
            if let quoted = value, quoted.utf8.count >= 2, quoted.first == "\"", quoted.last == "\"" {
                value = String(quoted.dropFirst().dropLast())
            }
            guard Self.isToken(sides[0]), value.map(Self.isToken) ?? true else { return nil }
            parameters.append(Parameter(name: sides[0], value: value))
        }
    }

    private static func split(_ text: String) -> [String] {
        text.split(separator: ";", omittingEmptySubsequences: false).map(trim)
    }

    private static func trim(_ text: Substring) -> String {
        let start = text.drop { $0 == " " || $0 == "\t" }
        guard let end = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return String(start[...end])
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(HTTPCharacters.isToken)
    }
}
