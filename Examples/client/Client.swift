import Omniway

struct Join: Codable { var name: String }
struct Joined: Codable { var members: Int }
struct Words: Codable { var text: String }

/// A room: who joins hears what is said.
func room() throws -> App {
    let app = App(type: "room")
    try app.groups.create("room")
    app.authenticate { session in
        guard session.handshake?.user["token"] == "let me in" else { throw AppError("ROOM-1", "no token") }
    }
    app.on("room.join") { (join: Join, context: Context) async throws -> Joined in
        try await context.session.bind(join.name)
        try app.groups.add(join.name, to: "room")
        context.session.onClose { _, _ in try? app.groups.remove(join.name, from: "room") }
        return Joined(members: try app.groups.count(of: "room"))
    }
    app.onNotify("room.say") { (words: Words, context: Context) in
        try app.broadcast("onWords", words, to: "room")
    }
    return app
}

/// A player. The dialer is all that it knows of the way.
func play(over dialer: some Dialer, on loop: EventLoop) async throws {
    var settings = AppClientSettings()
    settings.handshake.user = ["token": "let me in"]
    let client = try await AppClient(over: dialer, on: loop, settings)
    let joined: Joined = try await client.request("room.join", Join(name: "Ann"))
    print("\(joined.members) in the room")
    try await client.notify("room.say", Words(text: "hello"))
    for await words: Words in client.pushes("onWords") {
        print(words.text)
        break
    }
    client.disconnect()
}

/// Comes back by itself, and with a new token each time.
func stay(over dialer: some Dialer, on loop: EventLoop) async throws {
    var settings = AppClientSettings()
    settings.renewHandshake = { handshake in handshake.user["token"] = .string(try await freshToken()) }
    settings.reconnect = Reconnecting(first: .milliseconds(200), longest: .seconds(20))
    let client = try await AppClient(over: dialer, on: loop, settings)
    client.on("onWords") { (words: Words) in print(words.text) }
    for await state in client.states {
        switch state {
        case .connected:
            do {
                let _: Joined = try await client.request("room.join", Join(name: "Bob"), within: .seconds(2))
                print("in the room")
            } catch let error as AppError {
                print("the room says \(error.code): \(error.message)")
            }
            client.disconnect()  // Players would stay.
        case .lost(let reason): print("lost: \(reason)")
        case .ended(let why): print(why)
        }
    }
}

@concurrent func freshToken() async throws -> String { "let me in" }

/// The same room without a port that anybody can reach, and the same player.
func playThroughGateway(servers: SocketAddress, players: SocketAddress, on loop: EventLoop) async throws {
    let app = try room()
    app.listen(.gateway("\(servers)", serverID: 7, key: "open sesame"))
    try await app.start(on: [loop])

    let gateway = try await GatewayEndpoint(.client, over: StreamDialer(players), on: loop)
    try await play(over: gateway.dialer(to: 7), on: loop)
    await app.stop()
}

@main struct Client {
    static func main() async throws {
        let loop = EventLoop()
        let app = try room()
        app.listen(.tcp("127.0.0.1:0"))
        try await app.start(on: [loop])
        let dialer = StreamDialer(app.addresses[0])
        try await play(over: dialer, on: loop)  // 1 in the room, hello
        try await stay(over: dialer, on: loop)
        await app.stop()

        var settings = GatewaySettings()
        settings.keys = [Secret("open sesame")]
        let gateway = await Gateway(on: [loop], settings)
        let players = try await gateway.listen(for: .client, on: StreamAcceptor(.loopback()))
        let servers = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))
        try await playThroughGateway(servers: servers.address, players: players.address, on: loop)
        await loop.shutdown()
    }
}
