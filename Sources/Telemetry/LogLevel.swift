/// How much an event matters, the least first.
public enum LogLevel: UInt8, CaseIterable, Comparable, LosslessStringConvertible, Sendable {
    /// For whoever looks for a fault in the product itself.
    case debug
    /// What happens in normal work.
    case info
    /// Normal, but worth knowing: a start, a stop, a changed configuration.
    case notice
    /// Works still, but somebody should look at it.
    case warning
    /// Something asked for is not done.
    case error

    /// The level of that name, as it is written in lines, flags and configuration.
    public init?(_ name: String) {
        guard let level = Self.allCases.first(where: { $0.description == name }) else { return nil }
        self = level
    }

    /// The level's name.
    public var description: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        }
    }

    /// Whether `one` matters less than `other`.
    public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rawValue < other.rawValue }
}
