import Omniway

/// Which way a player wants to go. The server decides where that leads.
struct Move: Codable { let x, y: Int }
struct Place: Codable, Equatable { var x, y: Int }
struct Entered: Codable { let name: String }
/// What everybody sees, once each tick.
struct GameState: Codable {
    let tick: Int
    let players: [String: Place]
}

/// A player on the field.
struct Runner {
    static let field = 0...100
    var place = Place(x: 50, y: 50)
    var move = Move(x: 0, y: 0)

    /// One step at most, whatever was asked for, and not off the field.
    mutating func step() {
        place.x = (place.x + move.x.signum()).clamped(to: Self.field)
        place.y = (place.y + move.y.signum()).clamped(to: Self.field)
    }
}

extension Int {
    func clamped(to range: ClosedRange<Int>) -> Int { Swift.min(Swift.max(self, range.lowerBound), range.upperBound) }
}

/// The field and who is on it. One loop owns it; what players say comes from all loops through its mailbox.
final class Game: TimerTarget {
    static let tick = Duration.milliseconds(50)

    enum Input: Sendable {
        case enter(String)
        case move(String, Move)
        case leave(String)
    }

    private let app: App
    private var players: [String: Runner] = [:]
    private var ticks = 0
    private var next: Moment

    init(on loop: Loop, for app: App) {
        self.app = app
        next = loop.now + Self.tick
        loop.after(Self.tick, self)
    }

    func take(_ input: Input) {
        switch input {
        case .enter(let name): players[name] = Runner()
        case .move(let name, let move): players[name]?.move = move
        case .leave(let name): players[name] = nil
        }
    }

    func timerFired(_ token: UInt64, on loop: Loop) {
        next = max(next + Self.tick, loop.now)  // Late ticks are not made up for.
        loop.after(next - loop.now, self)
        ticks += 1
        if players.isEmpty { return }
        for name in players.keys { players[name]?.step() }
        // Made into bytes once; all players are sent the same.
        _ = try? app.broadcast("onState", GameState(tick: ticks, players: players.mapValues(\.place)), to: "field")
    }
}

/// A game on one loop, for clients of any.
func gameApp(on loop: EventLoop) async throws -> App {
    let app = App(type: "game")
    try app.groups.create("field")
    let game = await loop.own { loop in Game(on: loop, for: app) }
    let inputs = await game.run { loop, game in loop.mailbox { input in game.take(input) } }

    app.on("game.enter") { (context: Context) async throws in
        let name = "player \(context.session.id)"
        try await context.session.bind(name)
        try app.groups.add(name, to: "field")
        inputs.post(.enter(name))
        return Entered(name: name)
    }
    app.onNotify("game.move") { (move: Move, context) in
        guard let name = context.session.uid else { throw AppError("NOT-IN", "enter the game first") }
        inputs.post(.move(name, move))
    }
    app.onClose { session, reason in
        // A user who has come again is still there.
        guard reason != .replaced, let name = session.uid else { return }
        try? app.groups.remove(name, from: "field")
        inputs.post(.leave(name))
    }
    return app
}
