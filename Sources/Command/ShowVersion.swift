import Omniway
import OmniwayArguments

/// `omniway version`
enum ShowVersion {
    static let command = Command(
        "version", summary: "Prints the version, and those of the libraries that it runs with.")

    static var text: String {
        """
        omniway \(Version.current)
        commit   \(Version.commit ?? "not a release; scripts/package.sh builds one")
        OpenSSL  \(Version.openSSL)
        SQLite   \(Version.sqlite)
        zlib     \(Version.zlib)
        """
    }

    static func run() -> ExitCode {
        print(text)
        return .success
    }
}
