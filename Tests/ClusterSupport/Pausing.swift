import FoundationEssentials
import Glibc

/// Stops a process. What it was doing on another core may go on for a moment after the signal.
func waitUntilPaused(_ pid: pid_t) {
    kill(pid, SIGSTOP)
    let state = "/proc/\(pid)/stat"
    while let text = try? String(contentsOfFile: state, encoding: .utf8), !text.contains(") T ") { sched_yield() }
}
