/// What the process says to the shell when it ends; 64 and 78 are those of `sysexits.h`.
public enum ExitCode: Int32, Sendable {
    /// It did what it was asked, or printed its help.
    case success = 0
    /// It failed while running.
    case runtime = 1
    /// The command line was wrong; see ``UsageError``.
    case usage = 64
    /// The configuration was wrong.
    case configuration = 78
}
