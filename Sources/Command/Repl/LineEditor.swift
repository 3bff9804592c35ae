/// A line that somebody types: bytes in, and out what to show and what was entered. It knows no terminal.
struct LineEditor {
    enum Event: Equatable {
        /// The line looks different.
        case changed
        case entered(String)
        /// Tab was pressed where several words could stand.
        case choices([String])
        case clearScreen
        /// Ctrl-C: the line is dropped.
        case interrupted
        /// Ctrl-D on an empty line.
        case ended
    }

    private(set) var history: LineHistory
    /// All words that could stand where the text that is given ends.
    var words: @Sendable (_ before: String) -> [String]
    private var decoder = KeyDecoder()
    private var before = ""
    private var after = ""
    /// Which line of the history is shown, and what was typed before.
    private var recalled: (index: Int, draft: String)?

    static let mostBytes = 64 << 10

    init(history: LineHistory = LineHistory(), words: @escaping @Sendable (String) -> [String] = { _ in [] }) {
        (self.history, self.words) = (history, words)
    }

    var line: String { before + after }

    /// Nil when there is nothing to do.
    mutating func take(_ byte: UInt8) -> Event? { decoder.take(byte).flatMap { press($0) } }

    private mutating func press(_ key: KeyDecoder.Key) -> Event? {
        switch key {
        case .text(let scalar):
            guard before.utf8.count + after.utf8.count < Self.mostBytes else { return nil }
            before.unicodeScalars.append(scalar)
        case .enter:
            let entered = line
            history.add(entered)
            clear()
            return .entered(entered)
        case .tab: return complete()
        case .backspace: _ = before.popLast()
        case .delete: if !after.isEmpty { after.removeFirst() }
        case .left: if let last = before.popLast() { after.insert(last, at: after.startIndex) }
        case .right: if !after.isEmpty { before.append(after.removeFirst()) }
        case .up: recall(by: -1)
        case .down: recall(by: 1)
        case .home: (before, after) = ("", line)
        case .end: (before, after) = (line, "")
        case .eraseBefore: before = ""
        case .eraseAfter: after = ""
        case .eraseWord:
            while before.last == " " { before.removeLast() }
            while let last = before.last, last != " " { before.removeLast() }
        case .clearScreen: return .clearScreen
        case .interrupt:
            clear()
            return .interrupted
        case .endOfInput:
            if line.isEmpty { return .ended }
            if !after.isEmpty { after.removeFirst() }
        }
        return .changed
    }

    private mutating func clear() { (before, after, recalled) = ("", "", nil) }

    private mutating func recall(by step: Int) {
        let (index, draft) = recalled ?? (history.lines.count, line)
        let next = index + step
        guard 0...history.lines.count ~= next else { return }
        let isDraft = next == history.lines.count
        recalled = isDraft ? nil : (next, draft)
        (before, after) = (isDraft ? draft : history.lines[next], "")
    }

    private mutating func complete() -> Event? {
        let begun = String(before.reversed().prefix { $0 != " " }.reversed())
        let fitting = words(String(before.dropLast(begun.count))).filter { $0.hasPrefix(begun) }
        guard let first = fitting.first else { return nil }
        let shared = fitting.dropFirst().reduce(first) { shared, word in
            String(zip(shared, word).prefix { $0 == $1 }.map(\.0))
        }
        let added = shared.dropFirst(begun.count) + (fitting.count == 1 ? " " : "")
        before += added
        return added.isEmpty ? .choices(fitting) : .changed
    }

    /// What a terminal has to be told to show the line in its current row. Of a line that is too long it shows the part
    /// around the cursor.
    func display(behind prompt: String, columns: Int) -> String {
        let room = max(1, columns - prompt.columns - 1)
        let left = Self.fitting(before.reversed(), in: room)
        let right = Self.fitting(Array(after), in: room - left.columns)
        let back = right.columns > 0 ? "\u{1B}[\(right.columns)D" : ""
        return "\r" + prompt + String(left.text.reversed()) + right.text + "\u{1B}[K" + back
    }

    private static func fitting(_ characters: [Character], in room: Int) -> (text: String, columns: Int) {
        var fitting = (text: "", columns: 0)
        for character in characters {
            guard fitting.columns + character.columns <= room else { break }
            fitting = (fitting.text + String(character), fitting.columns + character.columns)
        }
        return fitting
    }
}

extension String {
    /// How much of a row it takes.
    fileprivate var columns: Int { reduce(0) { $0 + $1.columns } }
}

extension Character {
    /// Two for what East Asian scripts and pictures take.
    fileprivate var columns: Int {
        let wide: [ClosedRange<UInt32>] = [
            0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD,
        ]
        let value = unicodeScalars.first?.value ?? 0
        return wide.contains { $0 ~= value } ? 2 : 1
    }
}
