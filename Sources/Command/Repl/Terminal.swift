import Glibc
import Omniway

/// The terminal that somebody types at, which gives each key as it is pressed until it is restored.
///
/// Where values go to the system as pointers: safe because each call is over before the value is, and keeps none.
final class Terminal: Sendable {
    private let saved: Lock<termios?>

    /// Nil when either side is no terminal.
    init?() {
        var now = termios()
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, unsafe tcgetattr(STDIN_FILENO, &now) == 0
        else { return nil }
        saved = Lock(now)
        var raw = now
        unsafe cfmakeraw(&raw)
        raw.c_oflag = now.c_oflag  // A new line still begins at the left.
        guard unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0 else { return nil }
    }

    /// As it was. Once is enough.
    func restore() {
        saved.withLock { saved in
            if var before = exchange(&saved, with: nil) { unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &before) }
        }
    }

    var columns: Int {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    // MARK: Descriptors

    /// What is there, at least one byte; empty at the end, nil when it cannot be read. It blocks.
    static func read(from descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
            if count >= 0 { return Array(bytes.prefix(count)) }
            if errno != EINTR { return nil }
        }
    }

    /// All of it. It blocks.
    @discardableResult static func write(_ text: String, to descriptor: Int32) -> Bool {
        var left = Array(text.utf8)
        while !left.isEmpty {
            let count = unsafe Glibc.write(descriptor, left, left.count)
            if count < 0, errno != EINTR { return false }
            left.removeFirst(max(0, count))
        }
        return true
    }

    static func environment(_ name: String) -> String? {
        // Safe because nothing here changes the environment, and the text is copied at once.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}
