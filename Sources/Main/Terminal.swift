import Glibc
import Omniway
package import OmniwayArguments

/// A line for the person at the terminal.
package func complain(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe write(STDERR_FILENO, bytes, bytes.count)
}

/// Ends the process when all that was said and logged is out. Loops may still run, so nothing is torn down under them.
package func leave(with code: ExitCode) -> Never {
    fflush(nil)
    Log.shared.flush()
    _exit(code.rawValue)
}
