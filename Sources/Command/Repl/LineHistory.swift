import Glibc

/// The lines that were entered, the newest last.
struct LineHistory: Equatable {
    private(set) var lines: [String] = []
    static let most = 1_000

    init(_ text: String = "") { for line in text.split(separator: "\n") { add(String(line)) } }

    /// Empty lines, and those that repeat the one before, are not worth remembering.
    mutating func add(_ line: String) {
        guard line.contains(where: { $0 != " " }), line != lines.last else { return }
        lines.append(line)
        lines.removeFirst(max(0, lines.count - Self.most))
    }

    var text: String { lines.map { $0 + "\n" }.joined() }
}

/// Where lines are kept for the next time, for their owner alone: a handshake may hold a token.
struct HistoryFile: Equatable {
    let path: String

    /// Nil where nobody is at home.
    init?(_ environment: (String) -> String?) {
        let set = ["OMNIWAY_HISTORY_PATH", "PITAYACLI_HISTORY_PATH"].compactMap(environment).first { !$0.isEmpty }
        guard let path = set ?? environment("HOME").map({ $0 + "/.omniway_history" }) else { return nil }
        self.path = path
    }

    func load() -> LineHistory { LineHistory(TextFile(path).read(atMost: 4 << 20) ?? "") }

    /// False when it cannot be written.
    func save(_ history: LineHistory) -> Bool { TextFile(path).write(history.text) }
}

/// A small file, read and written whole. Its path goes to the system as a pointer: safe because the call keeps none.
struct TextFile {
    let path: String
    init(_ path: String) { self.path = path }

    /// Nil when there is none, or it cannot be read, or is longer than that.
    func read(atMost most: Int) -> String? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        while text.count <= most {
            guard let more = Terminal.read(from: file) else { return nil }
            if more.isEmpty { return String(decoding: text, as: UTF8.self) }
            text += more
        }
        return nil
    }

    func write(_ text: String) -> Bool {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return fchmod(file, 0o600) == 0 && Terminal.write(text, to: file)
    }
}
