import CSystem
import Glibc
import OmniwayTelemetry
import Synchronization

/// The signals of a daemon, as events for one thread that waits for them. One for each process.
///
/// ```swift
/// let signals = ProcessSignals()
/// for await event in signals.events {
///     switch event {
///     case .command: commands.signalled()
///     case .hangUp: try? Log.shared.reopen()
///     case .drain: Task { await node.stop(); exit(0) }
///     case .end: exit(1)
///     }
/// }
/// ```
///
/// Also as process 1 of a container: the system ignores there what nobody handles, and leaves it orphans to bury.
public final class ProcessSignals: Sendable {
    public enum Event: Sendable, Equatable {
        /// SIGUSR1: a command waits in its file.
        case command
        /// SIGHUP: files are to be opened again. Never, when it was ignored at the start: that is what nohup promises.
        case hangUp
        /// The first SIGTERM or SIGINT: end in good order.
        case drain(signal: String)
        /// The second: end at once.
        case end(signal: String)
    }

    private let isDraining = Atomic<Bool>(false)

    /// Takes the signals from now on. SIGPIPE is ignored.
    public init() {
        var numbers = [SIGINT, SIGTERM, SIGUSR1]
        if !Self.isIgnored(SIGHUP) { numbers.append(SIGHUP) }
        if getpid() == 1 { numbers.append(SIGCHLD) }
        for number in numbers {
            precondition(csystem_take_signal(number), "no descriptors to wait for signals; see `ulimit -n`")
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for the next event. It blocks, so it is for a thread of its own, as the main one of a command.
    public func next() -> Event {
        while true {
            let number = csystem_next_signal()
            switch number {
            case SIGUSR1: return .command
            case SIGHUP: return .hangUp
            case SIGCHLD: buryOrphans()
            default:
                let name = number == SIGINT ? "SIGINT" : "SIGTERM"
                let isSecond = isDraining.exchange(true, ordering: .relaxed)
                return isSecond ? .end(signal: name) : .drain(signal: name)
            }
        }
    }

    /// The same events for a program whose main function is async. For one reader.
    public var events: AsyncStream<Event> {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let isStarted = BackgroundThread.start("signals", for: "waits for signals") { [self] in
            while case .enqueued = continuation.yield(next()) {}
        }
        precondition(isStarted, "the system has no thread to wait for signals; see `ulimit -u`")
        return events
    }

    private func buryOrphans() { while waitpid(-1, nil, WNOHANG) > 0 {} }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        let handler = unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
        return unsafe handler == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
