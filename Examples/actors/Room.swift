import Distributed
import OmniwayMain

/// Why nobody can say something here.
enum RoomError: Error, Codable { case notIn(String) }

/// A room that is in one process, and is called from all.
distributed actor Room: LoopActor {
    typealias ActorSystem = OmniwayActorSystem
    private var members: [String] = []
    private var lines: [String] = []

    /// Who is in already.
    distributed func join(_ name: String) -> [String] {
        members.append(name)
        return members
    }

    distributed func say(_ text: String, as name: String) throws -> Int {
        guard members.contains(name) else { throw RoomError.notIn(name) }
        lines.append("\(name): \(text)")
        return lines.count
    }

    distributed var history: [String] { lines }
}
