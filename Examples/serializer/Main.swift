import OmniwayMain

struct Join: Lines {
    let name: String
    init(lines: [String: String]) throws {
        guard let name = lines["name"] else { throw AppError("ROOM-1", "who are you? say name=...") }
        self.name = name
    }
    var lines: [(name: String, value: String)] { [("name", name)] }
}

func room(_ app: App) {
    app.on("room.join") { (join: Join, context) in
        try context.session.push("onJoin", join)
        return join
    }
}

@main struct Example {
    static func main() async {
        await App.main(type: "room", serializers: [LineSerializer()]) { app in
            room(app)
            // Besides the ports of the command line, one for this machine alone.
            app.listen(Neighbours(inner: .tcp(":0")) { $0.isLoopback })
        }
    }
}
