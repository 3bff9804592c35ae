import OmniwayMain

struct Name: Codable { let name: String }
struct Words: Codable { let room, text: String }
struct Line: Codable { let from, text: String }
struct Said: Codable { let server: String, listeners: Int }

/// Where clients connect. What they want of a room goes on to the server that has it.
func addConnector(to app: App) {
    app.on("login.enter") { (me: Name, context) in
        try await context.session.bind(me.name)
        return me
    }
    app.route(to: "room") { context, body, servers in
        let words = try context.app.serializer.decode(Words.self, from: body)
        return servers[words.room.utf8.reduce(0) { ($0 * 31 + Int($1)) % 65_537 } % servers.count]
    }
    app.on("login.rooms") { context in
        var rooms: [String: String] = [:]
        for server in context.app.servers(ofType: "room") {
            rooms[server.id] = String(
                decoding: try await context.rpc("room.chat.rooms", [UInt8](), to: server.id, as: [UInt8].self),
                as: UTF8.self)
        }
        return rooms
    }
}

/// A server of rooms, which no client sees. Who says something in a room hears what is said there from then on.
func addRooms(to app: App) {
    app.on("chat.say") { (words: Words, context) in
        let groups = context.app.groups
        guard let user = context.session.uid else { throw AppError("CHAT-401", "say who you are: login.enter") }
        if !groups.names.contains(words.room) { try groups.create(words.room) }
        if try !groups.contains(user, in: words.room) { try groups.add(user, to: words.room) }
        try context.app.broadcast("onSay", Line(from: user, text: words.text), to: words.room)
        return Said(server: context.app.id, listeners: try groups.count(of: words.room))
    }
    app.remotes.on("chat.rooms") { (body: [UInt8], context) in
        Array(context.app.groups.names.joined(separator: ",").utf8)
    }
}
