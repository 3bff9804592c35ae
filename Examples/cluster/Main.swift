import OmniwayMain

/// One program for all servers of the cluster: `--type` says which it is, `--help` what else it can be told.
@main struct ClusterExample {
    static func main() async {
        await App.main(type: "connector") { app in
            if app.type == "connector" { addConnector(to: app) } else { addRooms(to: app) }
        }
    }
}
