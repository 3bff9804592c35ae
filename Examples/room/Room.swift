import Omniway

struct Join: Codable { let name: String }
struct Say: Codable { let words: String }
struct Message: Codable { let from, words: String }
struct Members: Codable { let names: [String] }

/// A room: who joins has a name, and hears what all in it say.
public func roomApp() throws -> App {
    var settings = AppSettings()
    // At its end sessions are closed one by one, each with nothing under way, so that all can come back.
    var drain = AppSettings.SessionDrain()
    (drain.limit, drain.spread) = (.zero, .milliseconds(500))
    settings.drain = drain
    let app = App(type: "room", settings: settings)
    try app.groups.create("room")

    app.on("room.join") { (join: Join, context) in
        guard app.player(join.name) == nil else { throw AppError("NAME-TAKEN", "\(join.name) is here already") }
        try await context.session.bind(join.name)
        try app.groups.add(join.name, to: "room")
        let members = Members(names: try app.groups.members(of: "room"))
        try app.broadcast("onMembers", members, to: "room")
        return members
    }

    app.onNotify("room.say") { (say: Say, context) in
        guard let name = context.session.uid else { throw AppError("NOT-HERE", "join the room first") }
        try app.broadcast("onMessage", Message(from: name, words: say.words), to: "room")
    }

    app.onClose { session, reason in
        // A user who has come again is still there.
        guard reason != .replaced, let name = session.uid else { return }
        guard (try? app.groups.remove(name, from: "room")) != nil else { return }
        _ = try? app.broadcast("onMembers", Members(names: app.groups.members(of: "room")), to: "room")
    }
    return app
}

/// The page, and the client in JavaScript that it loads: both are part of the program.
public func roomPages(on loop: Loop) -> HTTPServer {
    var routes = HTTPRoutes()
    routes.get("/", PackageResources.index_html, type: "text/html")
    routes.get("/omniway-app.js", PackageResources.omniway_app_js, type: "text/javascript")
    return HTTPServer(on: loop, routes: routes)
}
