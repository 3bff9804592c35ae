import Glibc
import Omniway
import RoomApp

@main struct Room {
    static func main() async throws {
        let loops = EventLoops()
        let app = try roomApp()
        app.listen(.webSocket("127.0.0.1:0"))
        try await app.start(on: loops)
        let site = try await StreamAcceptor(.loopback()).open(into: loops.own { loop in roomPages(on: loop) })
        print("Open this page in two windows:\nhttp://\(site.address)/?app=ws://\(app.addresses[0])")
        fflush(nil)
        try await Task.sleep(for: .seconds(3600))  // Ctrl-C ends it earlier.
        await app.stop()
        await loops.shutdown()
    }
}
