/// A line of the shell, as what it asks for.
enum ReplCommand: Equatable {
    case connect(String?)
    case disconnect
    case request(route: String, data: String)
    case notify(route: String, data: String)
    case push(route: String)
    case setHandshake(String)
    case setHandshakeField(Field, String)
    case routes, help, clear, history, exit

    enum Field: String, CaseIterable { case platform, version, buildNumber }

    static let words = [
        "clear", "connect", "disconnect", "exit", "help", "history", "notify", "push", "request", "routes",
        "sethandshake",
    ]

    static let helpText = """
        connect [address]                 wss, ws, tls and tcp are tried in turn, unless the address has one of them
        disconnect
        request <route> [data]            asks, and prints the answer
        notify <route> [data]             tells
        push <route> [type]               accepted for the sake of old scripts: pushes print as they come
        sethandshake <json>               what the next connection says first: {"sys":{...},"user":{...}}
        sethandshake platform|version|buildNumber <value>
        routes                            those that the documentation lists, see --docs
        history, clear, help, exit
        """

    /// Nil for an empty line, and for one that begins with `#`.
    init?(_ line: String) throws(ReplMistake) {
        let (word, rest) = line.splitAtSpaces
        guard !word.isEmpty, !word.hasPrefix("#") else { return nil }
        switch word {
        case "connect": self = .connect(rest.isEmpty ? nil : rest)
        case "disconnect": self = .disconnect
        case "request", "notify":
            let (route, data) = rest.splitAtSpaces
            guard !route.isEmpty else { throw ReplMistake("\(word) of what? Write: \(word) <route> [data]") }
            self = word == "request" ? .request(route: route, data: data) : .notify(route: route, data: data)
        case "push":
            let route = rest.splitAtSpaces.word
            guard !route.isEmpty else { throw ReplMistake("push of what? Write: push <route> [type]") }
            self = .push(route: route)
        case "sethandshake":
            let (name, value) = rest.splitAtSpaces
            if let field = Field(rawValue: name), !value.isEmpty {
                self = .setHandshakeField(field, value)
            } else if rest.hasPrefix("{") {
                self = .setHandshake(rest)
            } else {
                throw ReplMistake("write: sethandshake <json>, or sethandshake platform|version|buildNumber <value>")
            }
        case "routes": self = .routes
        case "help": self = .help
        case "clear": self = .clear
        case "history": self = .history
        case "exit", "quit": self = .exit
        default: throw ReplMistake("there is no command \(word); help lists all")
        }
    }

    /// What may follow the words that stand there already.
    static func completions(after before: String, routes: [String]) -> [String] {
        switch before.split(separator: " ") {
        case []: words
        case ["request"], ["notify"], ["push"]: routes
        case ["sethandshake"]: Field.allCases.map(\.rawValue)
        case _: []
        }
    }
}

/// What is wrong with a line, and what to write instead.
struct ReplMistake: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension String {
    /// The first word, and the rest as it is.
    fileprivate var splitAtSpaces: (word: String, rest: String) {
        let text = trimmed
        let word = text.prefix { $0 != " " && $0 != "\t" }
        return (String(word), String(text.dropFirst(word.count)).trimmed)
    }

    private var trimmed: String {
        let isSpace = { (character: Character) in character == " " || character == "\t" || character == "\r" }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
