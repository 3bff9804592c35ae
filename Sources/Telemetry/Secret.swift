/// Text that nobody must see: it shows as `***` wherever it is printed, and `revealed` is the only way to it.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, for where it is used.
    public let revealed: String

    /// Hides `text`.
    public init(_ text: String) { revealed = text }

    /// `***`
    public var description: String { "***" }
    /// `***`
    public var debugDescription: String { "***" }
    /// No children: `dump` and reflection see as little as a reader of the log.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Takes the same time wherever the texts differ, so that a guess cannot be improved byte by byte.
    public static func == (one: Secret, other: Secret) -> Bool {
        guard one.revealed.utf8.count == other.revealed.utf8.count else { return false }
        return zip(one.revealed.utf8, other.revealed.utf8).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
