import OmniwayMain

/// The server behind the recorded conversations. `--help` says what it can be told.
@main struct ConformanceServer {
    static func main() async {
        await App.main(type: "room", serializers: [JSONSerializer(), AnyProtobuf()], addHandlers)
    }
}
