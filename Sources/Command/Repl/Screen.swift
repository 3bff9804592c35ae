import Glibc
import Omniway

/// What is shown: the line that somebody types, and above it what is said meanwhile, by whichever thread.
///
/// Who speaks waits while the output takes nothing, the client's loop as well: nothing else lives on that.
final class Screen: Sendable {
    private struct State {
        var editor: LineEditor
        var isTyping = false
    }
    private let state: Lock<State>
    private let terminal: Terminal?
    private let prompt = ">>> "

    init(_ terminal: Terminal?, _ editor: LineEditor = LineEditor()) {
        (self.terminal, state) = (terminal, Lock(State(editor: editor)))
    }

    func say(_ text: String) {
        state.withLock { state in
            guard state.isTyping else { return show(text + "\n") }
            show("\r\u{1B}[K" + text + "\n" + display(state))
        }
    }

    func beginTyping() {
        state.withLock { state in
            state.isTyping = true
            show(display(state))
        }
    }

    /// What a key has led to, when that is for somebody else.
    func type(_ byte: UInt8) -> LineEditor.Event? {
        state.withLock { state in
            let event = state.editor.take(byte)
            switch event {
            case .changed: show(display(state))
            case .clearScreen: show("\u{1B}[H\u{1B}[2J" + display(state))
            case .choices(let words): show("\r\n" + words.joined(separator: "  ") + "\n" + display(state))
            case .interrupted: show("^C\n" + display(state))
            case .entered, .ended:
                state.isTyping = false
                show("\n")
                return event
            case nil: break
            }
            return nil
        }
    }

    func clear() { if terminal != nil { show("\u{1B}[H\u{1B}[2J") } }

    var history: LineHistory { state.withLock { $0.editor.history } }

    func complete(by words: @escaping @Sendable (String) -> [String]) { state.withLock { $0.editor.words = words } }

    private func display(_ state: State) -> String {
        state.editor.display(behind: prompt, columns: terminal?.columns ?? 80)
    }

    private func show(_ text: String) { Terminal.write(text, to: STDOUT_FILENO) }
}

/// Bytes of a server as text for a person: JSON as it is or on lines, and nothing that a terminal would obey.
struct BodyText {
    let isPretty: Bool

    func text(of body: [UInt8]) -> String {
        if isPretty, let json = try? JSON.Reader.go.read(body) { return text(of: json) }
        return Self.harmless(String(decoding: body, as: UTF8.self))
    }

    func text(of json: JSON) -> String {
        let layout: JSON.Writer.Layout = isPretty ? .indented(2) : .compact
        return Self.harmless(String(decoding: JSON.Writer(layout: layout).bytes(of: json), as: UTF8.self))
    }

    func text(of error: AppError) -> String {
        var json: JSON.Object = ["code": .string(error.code), "msg": .string(error.message)]
        for (key, value) in error.metadata.sorted(by: { $0.key < $1.key }) {
            var metadata = (try? json["metadata"]?.object()) ?? [:]
            metadata[key] = .string(value)
            json["metadata"] = .object(metadata)
        }
        return text(of: .object(json))
    }

    static func harmless(_ text: String) -> String {
        var harmless = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || 0x7F..<0xA0 ~= scalar.value
            harmless.append(isControl && scalar != "\n" && scalar != "\t" ? "\u{FFFD}" : scalar)
        }
        return String(harmless)
    }
}
