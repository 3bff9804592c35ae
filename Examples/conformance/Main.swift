import Omniway

@main struct ConformanceServer {
    static func main() async throws {
        let app = conformanceApp()
        app.listen(.tcp("127.0.0.1:3250"))
        app.listen(.webSocket("127.0.0.1:3251"))
        try await app.run()
    }
}
