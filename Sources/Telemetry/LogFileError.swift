import Glibc

/// Why a log file could not be opened.
public struct LogFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file that was wanted.
    public let path: String
    /// The system's number for what is wrong.
    public let number: Int32

    /// What happened, and what to do.
    public var description: String {
        "cannot open the log file \(path): \(reason); check that its folder exists and that this user may write there"
    }

    private var reason: String {
        var text = [CChar](repeating: 0, count: 128)
        // Safe because the buffer is as long as the call is told, and the call ends what it writes with zero.
        guard unsafe strerror_r(number, &text, text.count) == 0 else { return "error \(number)" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).lowercased()
    }
}
