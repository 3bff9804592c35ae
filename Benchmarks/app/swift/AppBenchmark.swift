import Glibc
import Omniway
import Synchronization

struct Message: Codable { var content: String }

/// AppBenchmark PORT [tcp|ws] [on|off]: an app with an echo of bytes and one of a struct, with a function before and
/// one after them, heartbeats, limits and meters; compression on or off. The routes `all` and `each` push to all users.
@main struct AppBenchmark {
    nonisolated static func main() {
        // Not an async main: it would end the main thread, which valgrind does not survive.
        Task.detached {
            do {
                try await serve()
            } catch {
                print("\(error)")
                exit(1)
            }
        }
        while true { pause() }
    }

    private static func serve() async throws {
        var arguments = CommandLine.arguments.dropFirst().makeIterator()
        guard let port = arguments.next().flatMap(UInt16.init) else { fatalError("usage: AppBenchmark PORT [ws] [on]") }
        let carrier = arguments.next() ?? "tcp"
        var settings = AppSettings()
        settings.compression = arguments.next() == "on" ? .on : .off
        settings.rateLimit = nil
        let app = App(type: "room", settings: settings)
        app.before { body, context in if body.count > 1 << 20 { throw AppError("BIG", "too much") } }
        app.after { outcome, context in if case .failure = outcome { failures.add(1, ordering: .relaxed) } }
        app.on("room.echo") { (body: [UInt8], context) in body }
        app.on("room.codable") { (message: Message, context) in message }
        app.on("room.async") { (body: [UInt8], context) in
            await nothing()
            return body
        }
        addBroadcasts(to: app)
        let address = SocketAddress.loopback(port: port)
        if carrier == "ws" {
            app.listen(WebSocket().over(StreamAcceptor(address)))
        } else {
            app.listen(StreamAcceptor(address))
        }
        let loops = EventLoops(count: 1)
        try await app.start(on: loops)
        try await Task.sleep(for: .seconds(1 << 20))
    }

    static let failures = Atomic<Int>(0)
    nonisolated(nonsending) static func nothing() async {}

    /// Everybody is a user and in one group; a request pushes to all, in the way that it names.
    static func addBroadcasts(to app: App) {
        do { try app.groups.create("all") } catch { fatalError("\(error)") }
        app.on("room.join") { context in
            let name = "u\(context.session.id)"
            try await context.session.bind(name)
            try context.app.groups.add(name, to: "all")
            return try context.app.groups.count(of: "all")
        }
        app.on("room.all") { (body: [UInt8], context) in
            try context.app.broadcast("onMessage", body, to: "all")
            return body
        }
        app.on("room.each") { (body: [UInt8], context) in
            for user in try context.app.groups.members(of: "all") {
                try context.app.push("onMessage", body, to: [user])
            }
            return body
        }
    }
}
