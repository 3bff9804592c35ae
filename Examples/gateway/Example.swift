import Omniway

/// Says again what players say. It listens nowhere: they come through the gateway.
func serve(_ server: GatewayEndpoint) async {
    await withDiscardingTaskGroup { players in
        for await player in server.connections(.text) {
            players.addTask {
                do {
                    for try await words in player.messages { try await player.send("you said: \(words)") }
                } catch { Log.shared.notice("player lost", ["client": "\(player.remote)", "why": "\(error)"]) }
            }
        }
    }
}

/// A player, who knows the gateway's address and the number of a server.
func play(_ client: GatewayEndpoint) async throws {
    let server = try await client.dial(7, .text)
    try await server.send("hello")
    for try await words in server.messages {
        print(words)
        break
    }
}

@main struct Example {
    static func main() async throws {
        let loop = EventLoop()
        var settings = GatewaySettings()
        settings.keys = [Secret("open sesame")]
        let gateway = await Gateway(on: [loop], settings)
        let clients = try await gateway.listen(for: .client, on: StreamAcceptor(.loopback()))
        let servers = try await gateway.listen(for: .server, on: StreamAcceptor(.loopback()))

        let echo = StreamDialer(servers.address)
        let server = try await GatewayEndpoint(.server(7, key: "open sesame"), over: echo, on: loop)
        let serving = Task { await serve(server) }
        try await server.ready()

        let client = try await GatewayEndpoint(.client, over: StreamDialer(clients.address), on: loop)
        try await play(client)  // you said: hello
        serving.cancel()
        await loop.shutdown()
    }
}
