import Glibc
import OmniwayTelemetry

/// What systemd hears of a service of the type `notify`, one datagram each. Elsewhere nobody is told anything.
public struct Supervisor: Sendable {
    private let address: SocketAddress?
    /// It wants to hear within this time, again and again, that the service is well.
    public let watchdog: Duration?

    public init(_ environment: [String: String]) {
        // What is no path and no abstract name is another machine's.
        address = environment["NOTIFY_SOCKET"].flatMap { ["/", "@"].contains($0.prefix(1)) ? .unix($0) : nil }
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let microseconds = isOurs ? Int64(environment["WATCHDOG_USEC"] ?? "") : nil
        watchdog = microseconds.flatMap { $0 > 0 ? .microseconds($0) : nil }
    }

    public func ready() { tell("READY=1") }
    public func stopping() { tell("STOPPING=1") }

    /// Settings are read again; `ready` says when that is done.
    public func reloading() {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)  // Safe because the call fills what it is given.
        tell("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    /// Another process is the service from now on.
    public func mainProcess(_ pid: Int32) { tell("MAINPID=\(pid)") }

    /// Says in time that the loops are well, for as long as they all answer, until the task is cancelled.
    public func watch(_ loops: EventLoops) async {
        guard address != nil, let watchdog else { return }
        var wasWell = true
        while !Task.isCancelled {
            let silent = await loops.silent(within: watchdog / 4)
            if silent.isEmpty { tell("WATCHDOG=1") }
            if wasWell, !silent.isEmpty {
                Log.shared.error("watchdog not told", ["why": "loops \(silent) do not answer"])
            }
            wasWell = silent.isEmpty
            do { try await Task.sleep(for: watchdog / 4) } catch { return }
        }
    }

    private func tell(_ state: String) {
        guard let address else { return }
        do throws(SystemError) {
            let socket = try OwnedDescriptor.socket(AF_UNIX, SOCK_DGRAM)
            let bytes = Array(state.utf8)
            let sent = unsafe address.withSystemAddress { unsafe sendto(
                socket.number, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
            if sent < 0 { throw SystemError.last }
        } catch { Log.shared.warning("the service manager cannot be told", ["what": state, "error": "\(error)"]) }
    }
}
