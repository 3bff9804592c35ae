import OmniwayTelemetry

/// The context that new connections use. It is made anew when one of the files that it came from changes.
final class TLSContextSource: Sendable {
    private struct State {
        var context: TLSContext
        var marks: [SmallFile.Mark?]
        var nextLook = Moment(nanoseconds: 0)
    }
    private let state: Lock<State>
    private let files: [String]
    private let make: @Sendable () throws(TLSError) -> TLSContext

    /// Files are looked at not more often than this, and only when there is a handshake.
    private static let interval = Duration.seconds(1)

    /// Reads the files at once, which blocks.
    init(files: [String], _ make: @escaping @Sendable () throws(TLSError) -> TLSContext) throws(TLSError) {
        (self.files, self.make) = (files, make)
        let marks = files.map(SmallFile.Mark.init)
        state = Lock(State(context: try make(), marks: marks))
    }

    var context: TLSContext { state.withLock { $0.context } }

    /// Whether it is time to look at the files; true for one caller only.
    func isDue(_ now: Moment) -> Bool {
        if files.isEmpty { return false }
        return state.withLock { state in
            guard now >= state.nextLook else { return false }
            state.nextLook = now + Self.interval
            return true
        }
    }

    /// Looks at the files, which blocks. What cannot be used changes nothing: the old context serves on, and the next
    /// change is tried again.
    func refresh() {
        let marks = files.map(SmallFile.Mark.init)
        guard state.withLock({ $0.marks != marks }) else { return }
        do throws(TLSError) {
            let context = try make()
            state.withLock { ($0.context, $0.marks) = (context, marks) }
            Log.shared.notice("certificates reloaded", ["files": "\(files)"])
        } catch {
            state.withLock { $0.marks = marks }
            Log.shared.error("certificates not reloaded", ["error": "\(error)", "files": "\(files)"])
        }
    }
}
