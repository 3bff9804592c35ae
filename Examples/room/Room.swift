import FoundationEssentials
import Glibc
import Omniway

struct Join: Codable { let name: String }
struct Say: Codable { let words: String }
struct Message: Codable { let from, words: String }
struct Members: Codable { let names: [String] }

/// A room: who joins has a name, and hears what all in it say.
func roomApp() throws -> App {
    let app = App(type: "room")
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

/// The page, and the client in JavaScript that it loads.
func pages(on loop: Loop) -> HTTPServer {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    var routes = HTTPRoutes()
    for (path, file, type) in [
        ("/", "Examples/room/index.html", "text/html"),
        ("/omniway-app.js", "Clients/javascript/omniway-app.js", "text/javascript"),
    ] { routes.get(path, Array(FileManager.default.contents(atPath: "/\(root)/\(file)") ?? Data()), type: type) }
    return HTTPServer(on: loop, routes: routes)
}

@main struct Room {
    static func main() async throws {
        let loops = EventLoops()
        let app = try roomApp()
        app.listen(.webSocket("127.0.0.1:0"))
        try await app.start(on: loops)
        let site = try await StreamAcceptor(.loopback()).open(into: loops.own { loop in pages(on: loop) })
        print("Open this page in two windows:\nhttp://\(site.address)/?app=ws://\(app.addresses[0])")
        fflush(nil)
        try await Task.sleep(for: .seconds(3600))  // Ctrl-C ends it earlier.
        await app.stop()
        await loops.shutdown()
    }
}
