import Omniway
import OmniwayArguments

/// `omniway version`
enum ShowVersion {
    static let command = Command("version", summary: "Prints the version.")

    static func run() -> ExitCode {
        print("omniway \(Version.current)")
        return .success
    }
}
