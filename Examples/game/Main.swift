import Omniway

@main struct GameServer {
    static func main() async throws {
        let loop = EventLoop()
        let app = try await gameApp(on: loop)
        app.listen(.tcp("127.0.0.1:3250"))
        app.listen(.webSocket("127.0.0.1:3251"))
        try await app.run()
        await loop.shutdown()
    }
}
