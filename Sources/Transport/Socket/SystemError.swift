import Glibc

/// An error number of the system, in the system's words.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    public let number: Int32
    public init(number: Int32) { self.number = number }
    static var last: SystemError { SystemError(number: errno) }

    public var description: String {
        var text = [CChar](repeating: 0, count: 128)
        // Safe because the buffer is as long as the call is told, and the call ends what it writes with zero.
        guard unsafe strerror_r(number, &text, text.count) == 0 else { return "error \(number)" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).lowercased()
    }
}
