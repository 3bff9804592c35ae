public import OmniwayTransport

/// Why a file of the daemon could not be read or written, and what to do.
public enum DaemonFileError: Error, Equatable, CustomStringConvertible {
    case missing(String)
    case notRegular(String)
    case tooLarge(String, limit: Int)
    case unreadable(String, SystemError)
    case unwritable(String, SystemError)
    case busy

    public var description: String {
        switch self {
        case .missing(let path): "there is no \(path); write a command into it, for example help, and signal again"
        case .notRegular(let path):
            "\(path) is not a plain file; put one in its place, for links, pipes and devices are not followed"
        case .tooLarge(let path, let limit): "\(path) holds more than \(limit) bytes; write one command into it"
        case .unreadable(let path, let error): "cannot read \(path): \(error); let the process's user read it"
        case .unwritable(let path, let error):
            "cannot write \(path): \(error); let the process's user write into its folder, and see that it has room"
        case .busy: "too much waits for the helper threads; try again in a moment"
        }
    }
}
