import Omniway

extension Handshake {
    /// Some servers look at these, so they are those of the original shell.
    static let repl = Handshake(
        platform: "repl", libraryVersion: "0.3.5-release", clientBuild: "20", clientVersion: "1.0.0",
        user: ["client": "repl"])

    /// As it goes over the wire: `{"sys":{"platform":…},"user":{…}}`. What is missing stays as it was.
    func changed(by text: String) throws(ReplMistake) -> Handshake {
        var changed = self
        do {
            let json = try JSON.Reader.go.read(text)
            let sys = json["sys"]
            changed.platform = try sys?["platform"]?.string() ?? platform
            changed.libraryVersion = try sys?["libVersion"]?.string() ?? libraryVersion
            changed.clientBuild = try sys?["clientBuildNumber"]?.string() ?? clientBuild
            changed.clientVersion = try sys?["clientVersion"]?.string() ?? clientVersion
            changed.user = try json["user"]?.object() ?? user
        } catch { throw ReplMistake("that is no handshake: \(error); write {\"sys\":{...},\"user\":{...}}") }
        return changed
    }
}

/// The shell behind its lines: what each of them does.
final class ReplSession {
    private let access: ServerAccess
    private let screen: Screen
    private let body: BodyText
    /// Between the arrow and an answer.
    private let gap: String
    private let docsRoute: String
    private let loop = EventLoop()
    private var client: AppClient?
    private var address: String?
    private var handshake = Handshake.repl
    private var routes: [String] = []

    init(_ access: ServerAccess, _ screen: Screen, _ body: BodyText, address: String?, docsRoute: String, gap: String) {
        (self.access, self.screen, self.body) = (access, screen, body)
        (self.address, self.docsRoute, self.gap) = (address, docsRoute, gap)
        screen.complete { ReplCommand.completions(after: $0, routes: []) }
    }

    /// False for the last one.
    func run(_ line: String) async throws -> Bool {
        switch try ReplCommand(line) {
        case .connect(let address)?: try await connect(to: address)
        case .disconnect?:
            _ = try connected()
            await leave()
        case .request(let route, let data)?: try await request(route, data)
        case .notify(let route, let data)?: try await connected().notify(route, Array(data.utf8))
        case .push(let route)?: screen.say("pushes to \(route) print as they come; nothing needs to be declared")
        case .setHandshake(let text)?: handshake = try handshake.changed(by: text)
        case .setHandshakeField(.platform, let value)?: handshake.platform = value
        case .setHandshakeField(.version, let value)?: handshake.clientVersion = value
        case .setHandshakeField(.buildNumber, let value)?: handshake.clientBuild = value
        case .routes?: try listRoutes()
        case .help?: screen.say(ReplCommand.helpText)
        case .clear?: screen.clear()
        case .history?: for line in screen.history.lines { screen.say(line) }
        case .exit?: return false
        case nil: break
        }
        return true
    }

    private func connected() throws(ReplMistake) -> AppClient {
        guard let client else { throw ReplMistake("there is no connection; write: connect <address>") }
        return client
    }

    func connect(to given: String?) async throws {
        guard let text = given ?? address else { throw ReplMistake("to where? Write: connect <address>") }
        let target = try ServerTarget(text)
        await leave()
        let (client, scheme) = try await access.client(of: target, on: loop, saying: handshake)
        (self.client, address) = (client, text)
        let (screen, body, gap) = (screen, body, gap)
        screen.say("connected to \(target.place) over \(scheme)")
        client.onOthers { route, bytes in
            screen.say("sv->\(gap)\(BodyText.harmless(route)): \(body.text(of: bytes))")
        }
        let states = client.states
        Task {
            for await case .ended(let why) in states where why != .disconnected { screen.say("disconnected: \(why)") }
        }
        if !docsRoute.isEmpty { try await askForRoutes(client) }
    }

    /// Returns when what was told before is on its way.
    private func leave() async {
        guard let leaving = exchange(&client, with: nil) else { return }
        leaving.disconnect()
        for await _ in leaving.states {}
    }

    func end() async {
        await leave()
        await loop.shutdown()
    }

    private func askForRoutes(_ client: AppClient) async throws {
        let found = try await RouteDocumentation.ask(client, at: docsRoute).routes.map(\.name)
        routes = found
        screen.complete { ReplCommand.completions(after: $0, routes: found) }
    }

    private func listRoutes() throws(ReplMistake) {
        guard !docsRoute.isEmpty else {
            throw ReplMistake("nobody has asked for the routes; start with --docs <route>")
        }
        for route in routes { screen.say(BodyText.harmless(route)) }
    }

    private func request(_ route: String, _ data: String) async throws {
        do {
            let answer: [UInt8] = try await connected().request(route, Array(data.utf8))
            screen.say("sv->\(gap)\(body.text(of: answer))")
        } catch let error as AppError where error.code != AppError.noAnswer {
            screen.say("sv->\(gap)\(body.text(of: error))")
            throw ReplRefusal(error: error)
        }
    }
}

/// The server answers with an error, which has been printed.
struct ReplRefusal: Error, CustomStringConvertible {
    let error: AppError
    var description: String { "the server answers with an error: \(error)" }
}
