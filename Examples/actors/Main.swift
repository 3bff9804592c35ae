import Glibc
import OmniwayMain

/// `ActorsExample ETCD NATS host ROOM` has a room until it is told to stop; `ActorsExample ETCD NATS NAME ROOM TEXT`
/// says something there.
@main struct ActorsExample {
    static func main() async throws {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.count >= 4 else {
            return print("usage: ActorsExample http://etcd:2379 nats://nats:4222 host ROOM | NAME ROOM TEXT")
        }
        let loop = EventLoop()
        let registry = try await Registry.open(.etcd(EtcdSettings(words[0])), on: loop)
        let bus = try NATSBus(NATSSettings(words[1]))
        try await bus.ready(on: [loop])
        var settings = ActorSettings()
        settings.errors = [RoomError.self]
        let system = try await OmniwayActorSystem.join(registry: registry, bus: bus, on: loop, settings: settings)
        if words[2] == "host" {
            try await system.host(words[3]) { Room(actorSystem: $0) }
            print("hosts \(words[3])")
            fflush(nil)
            while true { try await Task.sleep(for: .seconds(3600)) }
        }
        let room = try system.actor(Room.self, words[3])
        print("in the room:", try await room.join(words[2]).joined(separator: ", "))
        for text in words.dropFirst(4) { print("line", try await room.say(text, as: words[2])) }
        for line in try await room.history { print(line) }
        await system.leave()
        await registry.close()
        await loop.shutdown()
    }
}
