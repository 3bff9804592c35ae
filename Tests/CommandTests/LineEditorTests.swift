import Testing

@testable import OmniwayCommand

@Suite struct LineEditorTests {
    private static let words: @Sendable (String) -> [String] = {
        ReplCommand.completions(after: $0, routes: ["room.room.join", "room.room.leave", "shop.buy"])
    }

    /// What comes of bytes: the line that stands there, and all that happened besides changes.
    private func type(_ text: String, _ editor: inout LineEditor) -> [LineEditor.Event] {
        text.utf8.compactMap { editor.take($0) }.filter { $0 != .changed }
    }

    private func line(_ text: String) -> String {
        var editor = LineEditor(words: Self.words)
        #expect(type(text, &editor) == [])
        return editor.line
    }

    @Test(arguments: [
        ("abc\u{7F}", "ab"), ("ab\u{1B}[DX", "aXb"), ("ab\u{1B}ODX\u{1B}OCY", "aXbY"),
        ("ab\u{1B}[HX\u{1B}[FY", "XabY"), ("ab\u{1}X\u{5}Y", "XabY"), ("ab\u{1B}[1~X\u{1B}[4~Y", "XabY"),
        ("abc\u{2}\u{2}\u{4}", "ac"), ("abc\u{1}\u{1B}[3~", "bc"), ("abc\u{2}\u{B}", "ab"), ("abc\u{2}\u{15}", "c"),
        ("one two  \u{17}", "one "), ("one\u{17}\u{17}", ""), ("\u{7F}\u{1B}[D\u{1B}[C\u{1B}[3~x", "x"),
        ("größe\u{2}\u{2}\u{7F}", "grße"), ("e\u{301}x\u{2}\u{7F}", "x"), ("家👩‍👩‍👧\u{7F}族", "家族"),
        ("a\u{1B}[1;5Db", "ba"), ("a\u{1B}xb", "ab"), ("a\u{0}\u{1F}\u{85}b", "ab"),
    ]) func `keys change the line where the cursor stands`(_ typed: String, _ expected: String) {
        #expect(line(typed) == expected)
    }

    @Test func `bytes that are no text change nothing, and cost nothing behind them`() {
        var editor = LineEditor()
        for bytes: [UInt8] in [[0xFF], [0xC0, 0x80], [0xE2, 0x28], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] {
            for byte in bytes { _ = editor.take(byte) }
        }
        #expect(editor.line == "(")
        for byte in Array("\u{1B}[".utf8) + Array(repeating: 0x31, count: 100) { _ = editor.take(byte) }
        #expect(editor.line.allSatisfy { $0 == "(" || $0 == "1" })
    }

    @Test func `no pair of bytes leaves a line that is no line`() {
        for byte in UInt8.min...UInt8.max {
            var editor = LineEditor()
            for next in UInt8.min...UInt8.max {
                for each in [byte, next] { _ = editor.take(each) }
                #expect(editor.line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0 ~= $0.value) })
            }
        }
    }

    @Test func `a line is entered, and does not grow without end`() {
        var editor = LineEditor()
        #expect(type("help\r\u{3}x\u{3}\u{4}", &editor) == [.entered("help"), .interrupted, .interrupted, .ended])
        _ = type(String(repeating: "a", count: LineEditor.mostBytes + 5), &editor)
        #expect(editor.line.utf8.count == LineEditor.mostBytes)
        #expect(type("\u{C}", &editor) == [.clearScreen])
    }

    @Test func `arrows walk through the history, and come back to what was typed`() {
        var editor = LineEditor(history: LineHistory("one\n\ntwo\ntwo\n"))
        #expect(editor.history.lines == ["one", "two"])
        var seen: [String] = []
        for key in ["new", "\u{1B}[A", "\u{10}", "\u{1B}[A", "\u{1B}[B", "\u{E}", "\u{1B}[B"] {
            _ = type(key, &editor)
            seen.append(editor.line)
        }
        #expect(seen == ["new", "two", "one", "one", "two", "new", "new"])
        #expect(type("\u{1B}[A!\r", &editor) == [.entered("two!")])
        #expect(editor.history.text == "one\ntwo\ntwo!\n")
    }

    @Test func `the history forgets its oldest lines`() {
        var history = LineHistory()
        for number in 0...LineHistory.most { history.add("\(number)") }
        #expect(history.lines.count == LineHistory.most)
        #expect(history.lines.first == "1")
        #expect(LineHistory(history.text) == history)
    }

    @Test func `Tab completes commands and routes as far as they agree, then lists them`() {
        #expect(line("req\t") == "request ")
        #expect(line("request s\t{}") == "request shop.buy {}")
        #expect(line("notify r\t") == "notify room.room.")
        #expect(line("request x\t") == "request x")
        #expect(line("sethandshake b\t") == "sethandshake buildNumber ")
        var editor = LineEditor(words: Self.words)
        #expect(
            type("request room.room.\t", &editor) == [.choices(["room.room.join", "room.room.leave"])])
    }

    @Test func `the line is shown with the cursor where it stands`() {
        var editor = LineEditor()
        _ = type("ab家c\u{2}\u{2}", &editor)
        #expect(editor.display(behind: "> ", columns: 80) == "\r> ab家c\u{1B}[K\u{1B}[3D")
        #expect(editor.display(behind: "> ", columns: 7) == "\r> ab家\u{1B}[K\u{1B}[2D")
        #expect(editor.display(behind: "> ", columns: 4) == "\r> b\u{1B}[K")
        #expect(editor.display(behind: "> ", columns: 0) == "\r> b\u{1B}[K")
    }
}
