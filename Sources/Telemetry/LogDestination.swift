/// Where the lines of a log go.
public enum LogDestination: Sendable {
    /// The process's standard error.
    case standardError
    /// A file that reopens after rotation.
    case file(LogFile)
    /// A closure that gets each line without its end, on the log's own thread. It may block; it must not call `flush`.
    case sink(@Sendable (_ line: String) -> Void)
}
