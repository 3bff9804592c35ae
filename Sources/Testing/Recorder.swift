public import OmniwayTransport

/// A handler that writes down what happens to its link.
public final class Recorder: LinkHandler {
    public enum Event: Equatable, Sendable {
        case opened, writable, finished
        case message([UInt8])
        case closed(CloseReason)
    }

    public private(set) var events: [Event] = []
    /// The bytes of a stream; of a link that keeps messages, those whose message has not ended.
    public private(set) var bytes: [UInt8] = []
    public private(set) var link: Link?
    /// At most so many bytes are taken of each chunk.
    public var takes = Int.max
    /// Called after each event is noted.
    public var then: (Event, Link) -> Void = { _, _ in }

    public init() {}

    public var closeReason: CloseReason? {
        for case .closed(let reason) in events { return reason }
        return nil
    }
    public var messages: [[UInt8]] { events.compactMap { if case .message(let bytes) = $0 { bytes } else { nil } } }

    public func opened(_ link: Link) {
        self.link = link
        note(.opened, link)
    }

    public func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        let count = link.traits.keepsMessages ? bytes.byteCount : min(takes, bytes.byteCount)
        unsafe bytes.withUnsafeBytes { unsafe self.bytes.append(contentsOf: $0.prefix(count)) }
        if endOfMessage {
            let message = self.bytes
            self.bytes = []
            note(.message(message), link)
        }
        return count
    }

    public func writable(_ link: Link) { note(.writable, link) }
    public func finished(_ link: Link) { note(.finished, link) }
    public func closed(_ link: Link, _ reason: CloseReason) {
        self.link = nil
        note(.closed(reason), link)
    }

    private func note(_ event: Event, _ link: Link) {
        events.append(event)
        then(event, link)
    }
}

/// An intake that gives every link a recorder of its own, or refuses it.
public final class RecordingIntake: LinkIntake {
    public private(set) var recorders: [Recorder] = []
    public var refuses = false
    /// Prepares each recorder before its link opens.
    public var prepare: (Recorder, Link) -> Void = { _, _ in }

    public init() {}

    public func accept(_ link: Link) -> (any LinkHandler)? {
        if refuses { return nil }
        let recorder = Recorder()
        recorders.append(recorder)
        prepare(recorder, link)
        return recorder
    }
}
