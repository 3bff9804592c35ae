import FoundationEssentials
import Glibc
public import Omniway
import OmniwayArguments

extension App {
    /// The main function of a server: what it does is the application's, where and how is up to its command line.
    ///
    /// ```swift
    /// @main struct Room {
    ///     static func main() async {
    ///         await App.main(type: "room") { app in app.on("room.join", join) }
    ///     }
    /// }
    /// ```
    ///
    /// `--help` shows the flags. The settings are the defaults; the keys of pitaya in the file of `--config` count
    /// more, then those in the environment, then the flags. SIGTERM and Ctrl-C end it in good order, a second one at
    /// once.
    public static func main(
        type: String, settings: AppSettings = AppSettings(),
        serializers: [any Serializer] = [JSONSerializer(), ProtobufSerializer()],
        arguments: [String] = CommandLine.arguments, _ setUp: (App) throws -> Void
    ) async -> Never {
        let name = String(arguments.first?.split(separator: "/").last ?? "app")
        let flags = AppFlags(type: type, settings, serializers)
        let command = Command(
            name, summary: "Serves pomelo and pitaya clients.",
            notes: """
                SIGTERM or Ctrl-C accepts no more, waits for messages under way and ends it; a second one ends it
                at once.
                """,
            flags: flags.all)
        let launch: AppLaunch
        do {
            switch try command.parse(arguments.dropFirst()) {
            case .help(let text):
                print(text)
                leave(with: .success)
            case .run(let call):
                guard LogFlags.configure(call, of: name) else { leave(with: .configuration) }
                launch = try AppLaunch(
                    call, flags, settings, serializers, environment: ProcessInfo.processInfo.environment, setUp)
            }
        } catch {
            complain("\(name): \(error)")
            leave(with: code(of: error))
        }
        for warning in launch.warnings { Log.shared.warning("configuration", ["why": warning]) }
        do {
            try await launch.app.run(
                loops: launch.loops, admin: launch.admin, joinsCluster: launch.joinsCluster)
            leave(with: .success)
        } catch {
            complain("\(name): \(error)")
            leave(with: .runtime)
        }
    }

    private static func code(of error: any Error) -> ExitCode {
        switch error {
        case is UsageError, is AppLaunchError, is ClusterFlagError, is SecretFileError, is TLSError: .usage
        case is PitayaConfigurationError: .configuration
        default: .runtime  // The application's own.
        }
    }
}
